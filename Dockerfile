# The image holds the program and nothing else: no shell, no libc, no package that could need an update.
#
#   docker build --build-arg VERSION=1.2.3 -t overdrive .   builds the program inside, from golang's image
#   scripts/image                                           puts one in that was built outside; needs no other image

FROM scratch AS base
# Inside a container 127.0.0.1 is the container's own. Variables outrank the file's `listen` and `http`: change them here, by -e.
ENV OVERDRIVE_LISTEN=0.0.0.0:6432 \
    OVERDRIVE_HTTP=0.0.0.0:9432 \
    OVERDRIVE_CONFIG=/etc/overdrive/overdrive.yaml
USER 65532:65532
EXPOSE 6432 9432
# docker stop kills after ten seconds unless it is told to wait longer than limits.shutdown_timeout.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/overdrive", "healthcheck"]
ENTRYPOINT ["/overdrive"]
CMD ["serve"]

FROM base AS prebuilt
COPY overdrive /overdrive

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /overdrive ./cmd/overdrive

FROM base
COPY --from=build /overdrive /overdrive
