import protobuf from 'protobufjs';

/** google/rpc/status.proto, google/rpc/error_details.proto and what they need, as in googleapis. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
`);
const Status = root.lookupType('Status');
const RetryInfo = root.lookupType('RetryInfo');

/** An encoded `google.rpc.Status`. If there is a pause, its details have a `RetryInfo`. */
export function encodeStatus(message: string, retryAfterSeconds?: number): Uint8Array {
  const other = { typeUrl: 'type.googleapis.com/google.rpc.Help', value: new Uint8Array(3) };
  const details = retryAfterSeconds === undefined ? [] : [other, retryInfo(retryAfterSeconds)];
  return Status.encode(Status.create({ code: 14, message, details })).finish();
}

function retryInfo(seconds: number) {
  const retryDelay = { seconds: Math.floor(seconds), nanos: Math.round((seconds % 1) * 1e9) };
  return {
    typeUrl: 'type.googleapis.com/google.rpc.RetryInfo',
    value: RetryInfo.encode(RetryInfo.create({ retryDelay })).finish(),
  };
}
