// SPDX-License-Identifier: Apache-2.0
#include "bpf_map.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "errors.h"

namespace uspan {

namespace {

bool IsPerCpu(bpf_map_type type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
         type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

Napi::Uint8Array Copy(Napi::Env env, std::span<const uint8_t> bytes) {
  Napi::Uint8Array copy = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.Data());
  return copy;
}

}  // namespace

Napi::Function BpfMap::Define(Napi::Env env) {
  return DefineClass(env, "BpfMap",
                     {
                         InstanceAccessor<&BpfMap::Name>("name"),
                         InstanceAccessor<&BpfMap::KeySize>("keySize"),
                         InstanceAccessor<&BpfMap::ValueSize>("valueSize"),
                         InstanceAccessor<&BpfMap::MaxEntries>("maxEntries"),
                         InstanceMethod<&BpfMap::Lookup>("lookup"),
                         InstanceMethod<&BpfMap::Update>("update"),
                         InstanceMethod<&BpfMap::Delete>("delete"),
                         InstanceMethod<&BpfMap::Keys>("keys"),
                         InstanceMethod<&BpfMap::Entries>("entries"),
                     });
}

Napi::Object BpfMap::Wrap(Napi::Env env, std::shared_ptr<ObjectState> owner, bpf_map* map) {
  Napi::Object object = Construct(env, AddonData::Of(env).bpf_map);
  Unwrap(object)->owner_ = std::move(owner);
  Unwrap(object)->map_ = map;
  return object;
}

int BpfMap::Descriptor(const Napi::Value& value) {
  Napi::Env env = value.Env();
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(AddonData::Of(env).bpf_map.Value())) {
    Throw(env, "E_NATIVE", "a shared map must be a BpfMap");
  }
  return bpf_map__fd(Unwrap(value.As<Napi::Object>())->Open(env));
}

BpfMap::BpfMap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfMap>(info) { RequireInternal(info); }

const bpf_map* BpfMap::Open(Napi::Env env) const {
  owner_->Open(env);  // the map lives as long as its object
  return map_;
}

std::span<uint8_t> BpfMap::Key(const Napi::Value& value) const {
  const std::span<uint8_t> key = BytesArgument(value, "key");
  const uint32_t wanted = bpf_map__key_size(Open(value.Env()));
  if (key.size() != wanted) {
    Throw(value.Env(), "E_BPF_MAP", std::string("map ") + bpf_map__name(map_) + " has keys of " + std::to_string(wanted) + " bytes");
  }
  return key;
}

size_t BpfMap::TransferBytes(Napi::Env env) const {
  const bpf_map* map = Open(env);
  const size_t value_size = bpf_map__value_size(map);
  if (!IsPerCpu(bpf_map__type(map))) return value_size;
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) Fail(env, "count the CPUs for", -cpus);
  return ((value_size + 7) & ~size_t{7}) * static_cast<size_t>(cpus);
}

void BpfMap::Fail(Napi::Env env, const char* operation, int error) const {
  Throw(env, "E_BPF_MAP", std::string(operation) + " map " + bpf_map__name(map_), {error, {}});
}

Napi::Value BpfMap::Name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), bpf_map__name(Open(info.Env()))); }
Napi::Value BpfMap::KeySize(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), bpf_map__key_size(Open(info.Env()))); }
Napi::Value BpfMap::ValueSize(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), bpf_map__value_size(Open(info.Env()))); }
Napi::Value BpfMap::MaxEntries(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), bpf_map__max_entries(Open(info.Env()))); }

Napi::Value BpfMap::Lookup(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bpf_map* map = Open(env);
  const std::span<uint8_t> key = Key(info[0]);
  Napi::Uint8Array value = Napi::Uint8Array::New(env, TransferBytes(env));
  if (bpf_map_lookup_elem(bpf_map__fd(map), key.data(), value.Data()) == 0) return value;
  if (errno != ENOENT) Fail(env, "look up in", errno);
  return env.Undefined();
}

Napi::Value BpfMap::Update(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bpf_map* map = Open(env);
  const std::span<uint8_t> key = Key(info[0]);
  const std::span<uint8_t> value = BytesArgument(info[1], "value");
  if (const size_t wanted = TransferBytes(env); value.size() != wanted) {
    Throw(env, "E_BPF_MAP", std::string("map ") + bpf_map__name(map) + " takes values of " + std::to_string(wanted) + " bytes");
  }
  if (bpf_map_update_elem(bpf_map__fd(map), key.data(), value.data(), BPF_ANY) != 0) Fail(env, "update", errno);
  return env.Undefined();
}

Napi::Value BpfMap::Delete(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bpf_map* map = Open(env);
  const std::span<uint8_t> key = Key(info[0]);
  const bool deleted = bpf_map_delete_elem(bpf_map__fd(map), key.data()) == 0;
  if (!deleted && errno != ENOENT) Fail(env, "delete from", errno);
  return Napi::Boolean::New(env, deleted);
}

Napi::Value BpfMap::Keys(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bpf_map* map = Open(env);
  const size_t key_size = bpf_map__key_size(map);
  std::vector<uint8_t> keys;
  std::vector<uint8_t> key(key_size);
  const void* previous = nullptr;
  // A hash that changes meanwhile can start again, so the count ends the walk.
  for (uint32_t count = 0; count < bpf_map__max_entries(map); count++) {
    if (bpf_map_get_next_key(bpf_map__fd(map), previous, key.data()) != 0) {
      if (errno == ENOENT) break;
      Fail(env, "walk", errno);
    }
    keys.insert(keys.end(), key.begin(), key.end());
    previous = key.data();
  }
  return Copy(env, keys);
}

Napi::Value BpfMap::Entries(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const bpf_map* map = Open(env);
  const size_t key_size = bpf_map__key_size(map), value_size = TransferBytes(env);
  const size_t from = info[0].IsUndefined() ? 0 : NumberArgument(info[0], "from", value_size);
  const size_t bytes = info[1].IsUndefined() ? value_size - from : NumberArgument(info[1], "bytes", value_size - from);
  std::vector<uint8_t> keys, values;
  // A hash returns whole buckets. It asks for more room (ENOSPC) if one does not fit.
  uint32_t room = std::min<uint32_t>(bpf_map__max_entries(map), 1024);
  std::vector<uint8_t> batch_keys, batch_values;
  std::vector<uint8_t> position(std::max<size_t>(key_size, sizeof(uint32_t)));
  bool begun = false;
  for (int error = 0; error != ENOENT;) {
    batch_keys.resize(room * key_size);
    batch_values.resize(room * value_size);
    std::vector<uint8_t> next(position.size());
    uint32_t count = room;
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    const int result = bpf_map_lookup_batch(bpf_map__fd(map), begun ? position.data() : nullptr, next.data(), batch_keys.data(),
                                            batch_values.data(), &count, &options);
    error = result == 0 ? 0 : errno;
    if (error == ENOSPC && room < bpf_map__max_entries(map)) {
      room = std::min(bpf_map__max_entries(map), room * 2);
      continue;
    }
    if (error != 0 && error != ENOENT) Fail(env, "read all of", error);
    keys.insert(keys.end(), batch_keys.begin(), batch_keys.begin() + static_cast<ptrdiff_t>(count * key_size));
    for (uint32_t entry = 0; entry < count; entry++) {
      const auto value = batch_values.begin() + static_cast<ptrdiff_t>(entry * value_size + from);
      values.insert(values.end(), value, value + static_cast<ptrdiff_t>(bytes));
    }
    position = std::move(next);
    begun = true;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("keys", Copy(env, keys));
  result.Set("values", Copy(env, values));
  return result;
}

}  // namespace uspan
