# The coordinator, and the command line for its clients, in one image:
#   docker build -t skein . && docker run --rm -p 127.0.0.1:9500:9500 -v skein-data:/data skein
#
# Agent types: mount a folder and name its file, e.g. -v "$PWD/agents:/config:ro" -e MCP_CONFIG=/config/skein.yaml
# Their programs run in this container, so they have to be in the image: it has Node and Debian's essential programs.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No scripts: what `prepare` builds is not there yet, and the embedded store comes prebuilt.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.mjs scripts/
COPY protocol protocol
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
# The first process of a container inherits every orphan: tini reaps them, and passes signals on.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/protocol protocol
COPY package.json LICENSE ./
RUN ln -s /app/dist/cli.js /usr/local/bin/skein && install --directory --owner=node --group=node /data

# A container's own network is its border: whoever publishes the ports decides who gets in.
ENV NODE_ENV=production MCP_BIND=0.0.0.0 MCP_DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 9500 9501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["skein", "ping"]
ENTRYPOINT ["tini", "--", "skein"]
CMD ["serve"]
