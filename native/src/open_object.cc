// SPDX-License-Identifier: Apache-2.0
#include "open_object.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "addon.h"
#include "arguments.h"
#include "bpf_map.h"
#include "bpf_object.h"
#include "errors.h"
#include "libbpf_log.h"
#include "rodata.h"

namespace uspan {

namespace {

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using OwnedObject = std::unique_ptr<bpf_object, CloseObject>;

OwnedObject Open(Napi::Env env, std::span<uint8_t> bytes, const std::string& name) {
  const LibbpfLog log;
  LIBBPF_OPTS(bpf_object_open_opts, options);
  options.object_name = name.c_str();
  OwnedObject object(bpf_object__open_mem(bytes.data(), bytes.size(), &options));
  if (!object) {
    const int error = errno;
    Throw(env, "E_BPF_OPEN", "open BPF object " + name + ": " + log.Message(), {error, {}});
  }
  return object;
}

void SetRodata(Napi::Env env, bpf_object* object, const std::string& name, const Napi::Object& values) {
  const Napi::Array variables = values.GetPropertyNames();
  for (uint32_t index = 0; index < variables.Length(); index++) {
    const std::string variable = StringArgument(variables.Get(index), "rodata name");
    const std::string refused = WriteRodata(object, variable, BytesArgument(values.Get(variable), variable.c_str()));
    if (!refused.empty()) Throw(env, "E_BPF_OPEN", "BPF object " + name + ": " + refused);
  }
}

void SetMaxEntries(Napi::Env env, bpf_object* object, const std::string& name, const Napi::Object& sizes) {
  const Napi::Array maps = sizes.GetPropertyNames();
  for (uint32_t index = 0; index < maps.Length(); index++) {
    const std::string map_name = StringArgument(maps.Get(index), "map name");
    const uint64_t entries = NumberArgument(sizes.Get(map_name), map_name.c_str(), UINT32_MAX);
    bpf_map* map = bpf_object__find_map_by_name(object, map_name.c_str());
    if (!map) Throw(env, "E_BPF_OPEN", "BPF object " + name + " has no map " + map_name);
    const int error = bpf_map__set_max_entries(map, static_cast<uint32_t>(entries));
    if (error) Throw(env, "E_BPF_OPEN", "BPF object " + name + ": set max_entries of " + map_name, {-error, {}});
  }
}

void ShareMaps(Napi::Env env, bpf_object* object, const std::string& name, const Napi::Object& shared) {
  const Napi::Array maps = shared.GetPropertyNames();
  for (uint32_t index = 0; index < maps.Length(); index++) {
    const std::string map_name = StringArgument(maps.Get(index), "map name");
    const int descriptor = BpfMap::Descriptor(shared.Get(map_name));
    bpf_map* map = bpf_object__find_map_by_name(object, map_name.c_str());
    if (!map) Throw(env, "E_BPF_OPEN", "BPF object " + name + " has no map " + map_name);
    const bpf_map_type type = bpf_map__type(map);
    const uint32_t key_size = bpf_map__key_size(map), value_size = bpf_map__value_size(map);
    const int error = bpf_map__reuse_fd(map, descriptor);
    if (error) Throw(env, "E_BPF_OPEN", "BPF object " + name + ": share map " + map_name, {-error, {}});
    if (bpf_map__type(map) != type || bpf_map__key_size(map) != key_size || bpf_map__value_size(map) != value_size) {
      Throw(env, "E_BPF_OPEN", "BPF object " + name + ": map " + map_name + " is declared differently elsewhere");
    }
  }
}

/** Makes the kernel allocate all entries with the map, instead of each when it is first needed. */
void Preallocate(Napi::Env env, bpf_object* object, const std::string& name) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const int error = bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~uint32_t{BPF_F_NO_PREALLOC});
    if (error) Throw(env, "E_BPF_OPEN", "BPF object " + name + ": preallocate map " + bpf_map__name(map), {-error, {}});
  }
}

/** The kernel fixes at load time which kind of link a uprobe program may have. The section name only says what the author intended. */
void ChooseLinkType(bpf_object* object, bool multi) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__type(program) != BPF_PROG_TYPE_KPROBE) continue;
    bpf_program__set_expected_attach_type(program, multi ? BPF_TRACE_UPROBE_MULTI : static_cast<bpf_attach_type>(0));
  }
}

void Load(Napi::Env env, bpf_object* object, const std::string& name) {
  const LibbpfLog log;
  const int error = bpf_object__load(object);
  if (error) Throw(env, "E_BPF_LOAD", "load BPF object " + name + ": " + log.Message(), {-error, log.VerifierLogTail()});
}

}  // namespace

Napi::Value MapNames(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const OwnedObject object = Open(env, BytesArgument(info[0], "object"), StringArgument(info[1], "name"));
  Napi::Array names = Napi::Array::New(env);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) {
    if (!bpf_map__is_internal(map)) names.Set(names.Length(), bpf_map__name(map));
  }
  return names;
}

Napi::Value StructLayouts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const OwnedObject object = Open(env, BytesArgument(info[0], "object"), StringArgument(info[1], "name"));
  const std::string prefix = StringArgument(info[2], "prefix");
  Napi::Object layouts = Napi::Object::New(env);
  const btf* types = bpf_object__btf(object.get());
  const uint32_t count = types ? btf__type_cnt(types) : 0;
  for (uint32_t id = 1; id < count; id++) {
    const btf_type* type = btf__type_by_id(types, id);
    const std::string name = btf__name_by_offset(types, type->name_off);
    if (!btf_is_struct(type) || !name.starts_with(prefix)) continue;
    Napi::Object layout = Napi::Object::New(env);
    for (uint32_t index = 0; index < btf_vlen(type); index++) {
      const char* member = btf__name_by_offset(types, btf_members(type)[index].name_off);
      layout.Set(member, Napi::Number::New(env, btf_member_bit_offset(type, index) / 8));
    }
    Napi::Object one = Napi::Object::New(env);
    one.Set("size", Napi::Number::New(env, type->size));
    one.Set("members", layout);
    layouts.Set(name, one);
  }
  return layouts;
}

Napi::Value OpenObject(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = ObjectArgument(info[0], "options");
  const std::string name = StringArgument(options.Get("name"), "name");
  const bool multi = options.Get("uprobeMulti").ToBoolean();
  OwnedObject object = Open(env, BytesArgument(options.Get("object"), "object"), name);
  if (const auto values = options.Get("rodata"); !values.IsUndefined()) {
    SetRodata(env, object.get(), name, ObjectArgument(values, "rodata"));
  }
  if (const auto sizes = options.Get("mapMaxEntries"); !sizes.IsUndefined()) {
    SetMaxEntries(env, object.get(), name, ObjectArgument(sizes, "mapMaxEntries"));
  }
  // This comes before maps are shared, because shared maps keep the flags they were made with.
  if (options.Get("preallocateMaps").ToBoolean()) Preallocate(env, object.get(), name);
  if (const auto shared = options.Get("sharedMaps"); !shared.IsUndefined()) {
    ShareMaps(env, object.get(), name, ObjectArgument(shared, "sharedMaps"));
  }
  ChooseLinkType(object.get(), multi);
  Load(env, object.get(), name);
  return BpfObject::Wrap(env, std::make_shared<ObjectState>(AddonData::Of(env).registry, object.release(), name, multi));
}

}  // namespace uspan
