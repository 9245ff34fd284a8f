# Evaluates models on what is encrypted. Build it from the root of the project:
#   docker build -f docker/compute.Dockerfile -t darkroom-compute .
FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN --mount=type=cache,id=darkroom-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=darkroom-compute,target=/src/target \
    cargo build --locked --release --package backend-compute \
 && cp target/release/backend-compute /usr/local/bin/

FROM docker.io/library/debian:bookworm-slim
COPY --from=build /usr/local/bin/backend-compute /usr/local/bin/
COPY models /models
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data \
 && install --directory /more-models
USER 10001:10001
# Models of your own are mounted at /more-models.
ENV DARKROOM_LISTEN=0.0.0.0:7002 \
    DARKROOM_STORAGE_URL=http://storage:7001 \
    DARKROOM_MODELS='["/models", "/more-models"]' \
    DARKROOM_DATABASE=/data/jobs.sqlite
VOLUME /data
EXPOSE 7002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["backend-compute", "--healthcheck"]
ENTRYPOINT ["backend-compute"]
