# One static binary on an image without a shell. The archive lives on the volume /data.
#
#   docker build -t carillon .
#   docker run -p 8080:8080 -v carillon-data:/data carillon
#   docker run --rm -v carillon-data:/data carillon key create --name first --right admin --data /data
#
# There is no HEALTHCHECK: the image has nothing to run one with. Let the orchestrator ask GET /healthz (alive) and
# GET /readyz (can serve; 503 while stopping) on port 8080, and give SIGTERM 30 s.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/carillon ./cmd/carillon \
 && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/carillon /usr/local/bin/carillon
COPY --from=build --chown=65532:65532 --chmod=700 /out/data /data
COPY LICENSE /LICENSE
USER 65532:65532
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/carillon"]
CMD ["serve", "--listen", "0.0.0.0:8080", "--data", "/data", "--log-format", "json"]
