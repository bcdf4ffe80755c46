import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { HandleExport, OtlpReceiverOptions, RunningServer } from './otlp-receiver.ts';
import { encodeStatus } from './rpc-status.ts';

const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const statusCodes = {
  unavailable: status.UNAVAILABLE,
  overloaded: status.RESOURCE_EXHAUSTED,
  invalid: status.INVALID_ARGUMENT,
  exhausted: status.RESOURCE_EXHAUSTED,
} as const;
const asIs = (bytes: Buffer): Buffer => bytes;

/** `TraceService/Export` over gRPC on loopback. */
export async function startGrpc(
  handle: HandleExport,
  port: number,
  tls: OtlpReceiverOptions['tls'],
): Promise<RunningServer> {
  const server = new Server();
  server.addService(
    {
      export: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    {
      export: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
        handle(call.request, headers(call.metadata)).then(
          ({ status: outcome, body, retryAfterSeconds, details = outcome }) => {
            if (outcome === 'ok') return answer(null, Buffer.from(body));
            const metadata = new Metadata();
            if (retryAfterSeconds !== undefined) {
              metadata.set('grpc-status-details-bin', Buffer.from(encodeStatus(outcome, retryAfterSeconds)));
            }
            answer({ code: statusCodes[outcome], details, metadata });
          },
          (error: Error) => answer({ code: status.INVALID_ARGUMENT, details: error.message }),
        );
      },
    },
  );
  const credentials = tls
    ? ServerCredentials.createSsl(
        tls.clientCa ? Buffer.from(tls.clientCa) : null,
        [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
        tls.clientCa !== undefined,
      )
    : ServerCredentials.createInsecure();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  return {
    port: await promise,
    close: async () => server.forceShutdown(),
  };
}

function headers(metadata: Metadata): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.getMap()).map(([name, value]) => [name, String(value)]));
}
