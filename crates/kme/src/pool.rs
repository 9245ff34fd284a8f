//! Keys that wait to be handed out.

use std::collections::VecDeque;

use aws_lc_rs::digest;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::config::Role;

/// Bits and bytes of a key.
pub(crate) const KEY_BITS: usize = 256;
pub(crate) const KEY_BYTES: usize = KEY_BITS / 8;

pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) secret: Zeroizing<[u8; KEY_BYTES]>,
}

/// The name of a key, the same at both ends, from public numbers only.
pub(crate) fn key_id(block: &[u8; 16], index: u32) -> Uuid {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"darkroom kme key id");
    context.update(block);
    context.update(&index.to_le_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// Which keys two nodes have in common: those of the first `blocks` blocks of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Epoch {
    pub(crate) id: [u8; 16],
    pub(crate) blocks: u64,
}

/// The keys of all links, in lanes: one for each link and direction. Every key is in the same lane at
/// both nodes. At the one it waits for `enc_keys`, and is told to nobody else; at the other for
/// `dec_keys`. So the two ends never hand out the same key for different messages.
pub(crate) struct Pool {
    role: Role,
    max: usize,
    lanes: Vec<Lane>,
    epoch: Epoch,
}

#[derive(Default)]
struct Lane {
    keys: VecDeque<Key>,
    given: u64,
}

/// The lane of a link in which the application at this role's node is the master.
pub(crate) fn lane(link: usize, master: Role) -> usize {
    2 * link + usize::from(master == Role::Bob)
}

impl Pool {
    pub(crate) fn new(role: Role, links: usize, max: u32) -> Self {
        Self {
            role,
            max: max as usize,
            lanes: (0..2 * links).map(|_| Lane::default()).collect(),
            epoch: Epoch::default(),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Drops all keys: the peer does not have the same.
    pub(crate) fn begin(&mut self, id: [u8; 16]) {
        self.lanes.iter_mut().for_each(|lane| lane.keys.clear());
        self.epoch = Epoch { id, blocks: 0 };
    }

    /// For each lane how many keys this end may still take, which is for the master's end to say.
    pub(crate) fn rooms(&self) -> Vec<u32> {
        let lanes = self.lanes.iter().enumerate();
        lanes
            .map(|(number, lane)| match self.is_master(number) {
                true => count(self.max.saturating_sub(lane.keys.len())),
                false => 0,
            })
            .collect()
    }

    fn is_master(&self, lane: usize) -> bool {
        (lane % 2 == 1) == (self.role == Role::Bob)
    }

    /// Takes the keys of a block in, the first `shares[0]` into the first lane and so on.
    pub(crate) fn add(&mut self, shares: &[u32], mut keys: impl Iterator<Item = Key>) {
        let (max, role) = (self.max, self.role);
        for (number, (lane, share)) in self.lanes.iter_mut().zip(shares).enumerate() {
            lane.keys.extend(keys.by_ref().take(*share as usize));
            let master = (number % 2 == 1) == (role == Role::Bob);
            // The master has at most `max` that it has not handed out, which are the youngest. What is
            // older was handed out and, as it seems, will never be asked for here.
            let most = if master { max } else { 2 * max };
            let surplus = lane.keys.len().saturating_sub(most);
            lane.keys.drain(..surplus);
        }
        self.epoch.blocks += 1;
    }

    pub(crate) fn stored(&self, lane: usize) -> usize {
        self.lanes.get(lane).map_or(0, |lane| lane.keys.len())
    }

    pub(crate) fn given(&self, lane: usize) -> u64 {
        self.lanes.get(lane).map_or(0, |lane| lane.given)
    }

    /// The oldest keys of a lane, if there are so many.
    pub(crate) fn take(&mut self, lane: usize, number: usize) -> Option<Vec<Key>> {
        let lane = self.lanes.get_mut(lane)?;
        if lane.keys.len() < number {
            return None;
        }
        lane.given += number as u64;
        Some(lane.keys.drain(..number).collect())
    }

    /// The keys of these names, all or none.
    pub(crate) fn take_named(&mut self, lane: usize, ids: &[Uuid]) -> Result<Vec<Key>, Uuid> {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return Err(ids.first().copied().unwrap_or_default());
        };
        for (number, id) in ids.iter().enumerate() {
            let twice = ids[..number].contains(id);
            if twice || !lane.keys.iter().any(|key| key.id == *id) {
                return Err(*id);
            }
        }
        lane.given += ids.len() as u64;
        let find = |id: &Uuid| {
            let at = lane.keys.iter().position(|key| key.id == *id)?;
            lane.keys.remove(at)
        };
        Ok(ids.iter().filter_map(find).collect())
    }
}

/// Which lane gets how many of `keys` keys: each goes where there is most room.
pub(crate) fn shares(rooms: &[u32], keys: u32) -> Vec<u32> {
    let mut left = rooms.to_vec();
    for _ in 0..keys {
        match left.iter_mut().max() {
            Some(room) if *room > 0 => *room -= 1,
            _ => break,
        }
    }
    rooms
        .iter()
        .zip(left)
        .map(|(room, left)| room - left)
        .collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(block: u8, number: u32) -> impl Iterator<Item = Key> {
        (0..number).map(move |index| Key {
            id: key_id(&[block; 16], index),
            secret: Zeroizing::new([block; KEY_BYTES]),
        })
    }

    #[test]
    fn keys_go_where_room_is_and_no_further() {
        assert_eq!(shares(&[10, 0, 10], 6), [3, 0, 3]);
        assert_eq!(shares(&[1, 5, 0], 100), [1, 5, 0]);
        assert_eq!(shares(&[10, 2], 8), [8, 0]);
        assert!(shares(&[], 8).is_empty());
    }

    #[test]
    fn both_ends_have_a_key_in_the_same_lane_and_one_of_them_gives_it() {
        let mut alice = Pool::new(Role::Alice, 1, 4);
        let mut bob = Pool::new(Role::Bob, 1, 4);
        assert_eq!((alice.rooms(), bob.rooms()), (vec![4, 0], vec![0, 4]));
        for pool in [&mut alice, &mut bob] {
            pool.add(&[2, 3], keys(1, 9));
        }
        assert_eq!((alice.rooms(), bob.rooms()), (vec![2, 0], vec![0, 1]));
        let from_alice = alice.take(0, 2).unwrap();
        assert!(alice.take(0, 1).is_none());
        let ids: Vec<Uuid> = from_alice.iter().map(|key| key.id).collect();
        assert!(bob.take_named(1, &ids).is_err(), "the other direction");
        assert!(bob.take_named(0, &[ids[0], ids[0]]).is_err());
        assert!(bob.take_named(0, &[ids[0], Uuid::nil()]).is_err());
        assert_eq!(bob.take_named(0, &ids).unwrap().len(), 2);
        assert_eq!(bob.take_named(0, &ids).err(), Some(ids[0]));
        assert_eq!(alice.epoch(), bob.epoch());
    }

    #[test]
    fn keys_that_nobody_asks_for_make_room_in_the_end_but_none_that_may_still_come() {
        let mut bob = Pool::new(Role::Bob, 1, 4);
        for block in 1..=3 {
            bob.add(&[4, 0], keys(block, 4));
        }
        assert_eq!(bob.stored(0), 8);
        assert!(bob.take_named(0, &[key_id(&[1; 16], 0)]).is_err());
        assert!(bob.take_named(0, &[key_id(&[2; 16], 0)]).is_ok());
        bob.begin([9; 16]);
        assert_eq!((bob.stored(0), bob.epoch().blocks), (0, 0));
    }
}
