"""One node of QKDSimkit: python node.py alice|bob ADDRESS CHANNEL REDIS_PORT"""

import socket
import sys

from aiocache import Cache
from QKDSimkit import p2p_servers

role, address, channel, redis = sys.argv[1:]
# Without it a node that misreads its partner waits for ever.
socket.setdefaulttimeout(5)
# The package knows one port only.
p2p_servers.cache = Cache(Cache.REDIS, endpoint="127.0.0.1", port=int(redis), namespace="p2p_server")
p2p_servers.start_p2p(role, address, channel)
