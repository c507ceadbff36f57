# All images, one target each: docker build --target log-shipper .
#
# The binaries are static, so an image is the binary, its bill of materials, and nothing else. The
# roots of public certificate authorities are in the binaries. A release pins RUST_IMAGE by digest.
ARG RUST_IMAGE=rust:1.95-bookworm

# Only what decides which dependencies are built: manifests, and empty sources for them. The layers
# behind it are built anew when one of these changes, not with every source.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /src
COPY . .
RUN scripts/skeleton.sh /skeleton

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY --from=manifests /skeleton .
RUN scripts/binaries.sh
COPY . .
# Empty binaries of the skeleton are newer than the sources.
RUN find crates -name '*.rs' -exec touch {} + \
 && scripts/skeleton.sh --tests-only . \
 && scripts/binaries.sh \
 && scripts/image-roots.sh /images

FROM scratch AS log-shipper
COPY --from=build /images/log-shipper /
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="log-shipper" \
      org.opencontainers.image.description="Follows the files that a main container writes and ships every line" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/outrider/outrider" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 9180
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/log-shipper", "healthcheck"]
ENTRYPOINT ["/log-shipper"]

FROM scratch AS nginx-adapter
COPY --from=build /images/nginx-adapter /
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="nginx-adapter" \
      org.opencontainers.image.description="Turns nginx's stub_status page and access log into Prometheus metrics" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/outrider/outrider" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 9113
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/nginx-adapter", "healthcheck"]
ENTRYPOINT ["/nginx-adapter"]

FROM scratch AS redis-ambassador
COPY --from=build /images/redis-ambassador /
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="redis-ambassador" \
      org.opencontainers.image.description="Gives an app one Redis on localhost whose keys lie on many servers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/outrider/outrider" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 6380 9181
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/redis-ambassador", "healthcheck"]
ENTRYPOINT ["/redis-ambassador"]

# A command-line tool: there is nothing to ask for its health.
FROM scratch AS native-sidecar-probe
COPY --from=build /images/native-sidecar-probe /
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="native-sidecar-probe" \
      org.opencontainers.image.description="Tells whether native sidecars really work, and runs any sidecar the right way" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/outrider/outrider" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
ENTRYPOINT ["/native-sidecar-probe"]
