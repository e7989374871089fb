# syntax=docker/dockerfile:1
# One image: `dist/api/main.js` (the default) and `dist/worker/main.js` are its two commands.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No dependency needs its install script, and none gets to run one.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json tsconfig.build.json ./
COPY activities ./activities
COPY api ./api
COPY browser ./browser
COPY bus ./bus
COPY codec ./codec
COPY console ./console
COPY directory ./directory
COPY domain ./domain
COPY http ./http
COPY platform ./platform
COPY telemetry ./telemetry
COPY tracing ./tracing
COPY worker ./worker
COPY workflows ./workflows
RUN npm run build && node dist/worker/build-workflow-bundle.js

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY deploy/healthy.mjs ./healthy.mjs
# What `node` may write to is nothing: the files are root's.
USER node
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "healthy.mjs"]
ENTRYPOINT ["node", "--enable-source-maps"]
CMD ["dist/api/main.js"]
