# The gateway's image: docker build --tag gateway:development .
# It needs BuildKit, which Docker uses from version 23 on. podman needs --format docker: an image in OCI's format has no
# health check.
# It runs the output of `dotnet publish` of src/Api for one runtime, with the framework included and compiled ahead of
# time. So the last stage contains neither .NET, nor a shell, nor a package manager.

# The SDK runs on the platform of the building machine, also for images of another platform: it can compile for both.
FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
ARG TARGETARCH
ARG VERSION=0.0.0
WORKDIR /source
ENV DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# The packages rarely change, so they have their own layer. They must match the lock files, or the build fails.
COPY global.json Directory.Build.props Directory.Packages.props BannedSymbols.txt .editorconfig ./
COPY src/Api/Api.csproj src/Api/packages.lock.json src/Api/
COPY src/Contracts/Contracts.csproj src/Contracts/packages.lock.json src/Contracts/
RUN dotnet restore src/Api --locked-mode

COPY LICENSE ./
COPY src src
COPY deploy/k8s/postgres/demo.sql deploy/k8s/postgres/
# Docker and .NET have different names for processors.
RUN case "$TARGETARCH" in amd64) runtime=linux-x64 ;; arm64) runtime=linux-arm64 ;; *) echo "no runtime for $TARGETARCH" >&2; exit 1 ;; esac \
  && dotnet publish src/Api --configuration Release --runtime "$runtime" -p:Version="$VERSION" --output /publish

FROM mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled AS final
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gateway" \
      org.opencontainers.image.description="PostgreSQL for workflow activities, over HTTP" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# The files belong to root: the user that runs the gateway can read them, and can't change them.
COPY --from=build /publish /app
# No debugger socket in /tmp, because a read-only file system has no writable /tmp. A gateway that listens for other
# machines requires callers: docs/callers.md.
ENV DOTNET_EnableDiagnostics=0 \
    ASPNETCORE_HTTP_PORTS=8080
# A number, because Kubernetes can't verify that a user name is not root's.
USER 1654:1654
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/app/Gateway.Api", "healthcheck"]
ENTRYPOINT ["/app/Gateway.Api"]
