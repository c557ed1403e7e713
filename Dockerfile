# syntax=docker/dockerfile:1
# The gateway's image: docker build --tag gateway:development .
# What it runs is what `dotnet publish` makes of src/Api for a runtime: with the framework in it and compiled ahead. So the last
# stage has no .NET of its own, and neither a shell nor a package manager.

# The SDK runs on the machine that builds, also where the image is another's: it compiles for either.
FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
ARG TARGETARCH
ARG VERSION=0.0.0
WORKDIR /source
ENV DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# The packages change seldom: a layer of their own. They are those of the lock files, or the build fails.
COPY global.json Directory.Build.props Directory.Packages.props BannedSymbols.txt .editorconfig ./
COPY src/Api/Api.csproj src/Api/packages.lock.json src/Api/
COPY src/Contracts/Contracts.csproj src/Contracts/packages.lock.json src/Contracts/
RUN dotnet restore src/Api --locked-mode

COPY src src
# Docker's names for processors are not .NET's.
RUN case "$TARGETARCH" in amd64) runtime=linux-x64 ;; arm64) runtime=linux-arm64 ;; *) echo "no runtime for $TARGETARCH" >&2; exit 1 ;; esac \
  && dotnet publish src/Api --configuration Release --runtime "$runtime" -p:Version="$VERSION" --output /publish

FROM mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled AS final
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gateway" \
      org.opencontainers.image.description="PostgreSQL for workflow activities, over HTTP" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# Root's, and readable only: the user that runs it can change nothing of it.
COPY --from=build /publish /app
# No debugger's socket in /tmp, which a read-only file system has not. Open to other machines, it wants callers: docs/callers.md.
ENV DOTNET_EnableDiagnostics=0 \
    ASPNETCORE_URLS=http://+:8080
# A number, since Kubernetes can't tell of a name that it isn't root's.
USER 1654:1654
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/app/Gateway.Api", "healthcheck"]
ENTRYPOINT ["/app/Gateway.Api"]
