# The service on the client's premises: the gateway and the page that it serves. Build it from the
# root of the project:
#   docker build -f docker/client.Dockerfile -t darkroom-client .
FROM docker.io/library/rust:1-bookworm AS build
# wasm-opt comes from npm.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends npm \
 && rm -rf /var/lib/apt/lists/*
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
# The page, with trunk and wasm-bindgen built in the versions that fit; they stay in the cache.
RUN --mount=type=cache,id=darkroom-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=darkroom-client,target=/src/target \
    cargo xtask page
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN --mount=type=cache,id=darkroom-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=darkroom-client,target=/src/target \
    cargo build --locked --release --package gateway \
 && cp target/release/gateway /usr/local/bin/

FROM docker.io/library/debian:bookworm-slim
COPY --from=build /usr/local/bin/gateway /usr/local/bin/
COPY --from=build /src/dist /page
USER 10001:10001
ENV DARKROOM_LISTEN=0.0.0.0:7000 \
    DARKROOM_PAGE_DIR=/page \
    DARKROOM_STORAGE_URL=http://storage:7001 \
    DARKROOM_COMPUTE_URL=http://compute:7002
EXPOSE 7000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["gateway", "--healthcheck"]
ENTRYPOINT ["gateway"]
