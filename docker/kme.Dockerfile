# A key node with simulated photons, to try sealed links with. Build it from the root of the project:
#   docker build -f docker/kme.Dockerfile -t darkroom-kme .
FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN --mount=type=cache,id=darkroom-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=darkroom-kme,target=/src/target \
    cargo build --locked --release --package darkroom-kme \
 && cp target/release/darkroom-kme /usr/local/bin/

FROM docker.io/library/debian:bookworm-slim
COPY --from=build /usr/local/bin/darkroom-kme /usr/local/bin/
# A new volume that is mounted there belongs to the user below.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /certs
USER 10001:10001
# Everything else has no default that would fit: which node, its certificate, its links.
ENV DARKROOM_LISTEN=0.0.0.0:7010 \
    DARKROOM_PEER__LISTEN=0.0.0.0:7022 \
    DARKROOM_PEER__SECRET=/certs/secret \
    DARKROOM_TLS__ROOTS=/certs/root.pem
EXPOSE 7010 7022
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["darkroom-kme", "--healthcheck"]
ENTRYPOINT ["darkroom-kme"]
