# Keeps what is encrypted. Build it from the root of the project:
#   docker build -f docker/storage.Dockerfile -t darkroom-storage .
FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN --mount=type=cache,id=darkroom-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=darkroom-storage,target=/src/target \
    cargo build --locked --release --package backend-storage \
 && cp target/release/backend-storage /usr/local/bin/

FROM docker.io/library/debian:bookworm-slim
COPY --from=build /usr/local/bin/backend-storage /usr/local/bin/
# To know an S3 store by, if its certificate comes from one of the usual roots.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
USER 10001:10001
ENV DARKROOM_LISTEN=0.0.0.0:7001 \
    DARKROOM_DATA_DIR=/data
VOLUME /data
EXPOSE 7001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["backend-storage", "--healthcheck"]
ENTRYPOINT ["backend-storage"]
