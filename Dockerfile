# syntax=docker/dockerfile:1

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /overdrive ./cmd/overdrive

# Static: certificates of the public authorities and time zones, no shell, no libc.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /overdrive /overdrive
USER 65532:65532
EXPOSE 6432 9432
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/overdrive", "healthcheck"]
ENTRYPOINT ["/overdrive"]
CMD ["serve", "--config", "/etc/overdrive/overdrive.yaml"]
