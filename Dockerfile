# A satellite in a container. The guide for containers in docs/ says how to pair it and how to run your own program.
#   docker build -t hivemind-client .
FROM debian:bookworm-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
# In one call, so that what they require of each other is found here and not on an index.
RUN python3 -m venv /opt/hivemind-client \
    && /opt/hivemind-client/bin/pip install --no-cache-dir --disable-pip-version-check \
        "/src[async,encodings,http,speed]" \
        /src/plugins/binary_tts /src/plugins/cli /src/plugins/discovery /src/plugins/intercom /src/plugins/journal /src/plugins/metrics /src/plugins/mqtt

FROM base
COPY --from=build /opt/hivemind-client /opt/hivemind-client
# The number is fixed, so that a volume has the same owner after an update.
RUN useradd --system --uid 10001 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin hivemind-client \
    && install --directory --owner hivemind-client --group hivemind-client --mode 0700 /var/lib/hivemind-client
# Identity, pins and keys lie in /var/lib/hivemind-client/hivemind. Nothing needs a home folder.
ENV PATH=/opt/hivemind-client/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/var/lib/hivemind-client \
    XDG_STATE_HOME=/var/lib/hivemind-client/state
USER hivemind-client
WORKDIR /var/lib/hivemind-client
VOLUME /var/lib/hivemind-client
# Python hears this one as Ctrl-C, also as process 1: the client says farewell to the hub.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5m --timeout=30s --start-period=30s --retries=2 \
    CMD ["hivemind-client", "test-identity", "--quiet", "--timeout", "20"]
ENTRYPOINT ["hivemind-client"]
CMD ["listen"]
