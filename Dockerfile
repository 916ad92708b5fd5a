# syntax=docker/dockerfile:1
# regrow as one static binary in an image without a shell.
#
#   docker build --build-arg VERSION="$(git describe --tags --always --dirty)" -t regrow .
#
# Images are pinned by tag; pin them by digest where you build for production.
# The build stage runs on the builder's own platform and compiles for the
# target's, so that images for other platforms need no emulation.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
ENV GOMODCACHE=/cache/mod GOCACHE=/cache/build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/cache/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
RUN --mount=type=cache,target=/cache/mod --mount=type=cache,target=/cache/build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /regrow ./cmd/server

# Nothing but the binary and the certificates by which it knows Octopus.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /regrow /usr/local/bin/regrow
WORKDIR /etc/regrow
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/regrow"]
CMD ["serve"]
