// SPDX-License-Identifier: Apache-2.0
// The module: native.d.ts says what each export does.
#include "addon.h"

#include "bpf_map.h"
#include "bpf_object.h"
#include "capabilities.h"
#include "clock.h"
#include "errors.h"
#include "features.h"
#include "lease.h"
#include "libbpf_log.h"
#include "link.h"
#include "mapped_file.h"
#include "open_object.h"
#include "release_memory.h"
#include "ring_buffer.h"

namespace uspan {

Napi::Object Construct(Napi::Env env, const Napi::FunctionReference& constructor) {
  return constructor.New({AddonData::Of(env).token.Value()});
}

void RequireInternal(const Napi::CallbackInfo& info) {
  if (info[0].StrictEquals(AddonData::Of(info.Env()).token.Value())) return;
  Throw(info.Env(), "E_NATIVE", "this class cannot be constructed: use the functions that return it");
}

namespace {

Napi::Value Versions(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object versions = Napi::Object::New(env);
  versions.Set("libbpf", USPAN_LIBBPF_VERSION);  // libbpf_version_string() leaves the patch level out
  versions.Set("abi", kAbi);
  return versions;
}

void CloseEverything(Registry* registry) { registry->CloseAll(); }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InstallLibbpfLog();
  auto* data = new AddonData();
  env.SetInstanceData(data);
  env.AddCleanupHook(CloseEverything, data->registry.get());

  data->token = Napi::Persistent(Napi::Object::New(env));
  data->bpf_map = Napi::Persistent(BpfMap::Define(env));
  data->bpf_object = Napi::Persistent(BpfObject::Define(env));
  data->link = Napi::Persistent(Link::Define(env));
  data->mapped_file = Napi::Persistent(MappedFile::Define(env));
  data->ring_buffer = Napi::Persistent(RingBuffer::Define(env));

  exports.Set("versions", Napi::Function::New(env, Versions, "versions"));
  exports.Set("mapFile", Napi::Function::New(env, MapFile, "mapFile"));
  exports.Set("clockOffsetNs", Napi::Function::New(env, ClockOffsetNs, "clockOffsetNs"));
  exports.Set("probeFeature", Napi::Function::New(env, ProbeFeature, "probeFeature"));
  exports.Set("mapNames", Napi::Function::New(env, MapNames, "mapNames"));
  exports.Set("structLayouts", Napi::Function::New(env, StructLayouts, "structLayouts"));
  exports.Set("openObject", Napi::Function::New(env, OpenObject, "openObject"));
  exports.Set("capabilities", Napi::Function::New(env, Capabilities, "capabilities"));
  exports.Set("takeReadLease", Napi::Function::New(env, TakeReadLease, "takeReadLease"));
  exports.Set("hasReadLease", Napi::Function::New(env, HasReadLease, "hasReadLease"));
  exports.Set("releaseMemory", Napi::Function::New(env, ReleaseMemory, "releaseMemory"));
  return exports;
}

}  // namespace

}  // namespace uspan

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return uspan::Init(env, exports); }
NODE_API_MODULE(uspan, InitModule)
