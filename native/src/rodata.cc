// SPDX-License-Identifier: Apache-2.0
#include "rodata.h"

#include <bpf/btf.h>

#include <cstring>

namespace uspan {

namespace {

/**
 * The map that libbpf makes of section .rodata. Its name is "<object>.rodata", cut to 15 characters, so only the section's own suffix
 * counts.
 */
bpf_map* RodataMap(bpf_object* object) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (std::string(bpf_map__name(map)).ends_with(".rodata")) return map;
  }
  return nullptr;
}

}  // namespace

std::string WriteRodata(bpf_object* object, const std::string& variable, std::span<const uint8_t> value) {
  const btf* types = bpf_object__btf(object);
  const int section_id = types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -1;
  bpf_map* map = RodataMap(object);
  size_t size = 0;
  void* data = map ? bpf_map__initial_value(map, &size) : nullptr;
  if (section_id < 0 || !data) return "no .rodata for variable " + variable;
  const btf_type* section = btf__type_by_id(types, static_cast<uint32_t>(section_id));
  const btf_var_secinfo* entries = btf_var_secinfos(section);
  for (uint32_t index = 0; index < btf_vlen(section); index++) {
    const btf_var_secinfo& entry = entries[index];
    if (variable != btf__name_by_offset(types, btf__type_by_id(types, entry.type)->name_off)) continue;
    if (entry.size != value.size()) {
      return "variable " + variable + " has " + std::to_string(entry.size) + " bytes, not " + std::to_string(value.size());
    }
    if (size < entry.size || entry.offset > size - entry.size) return "variable " + variable + " lies outside .rodata";
    memcpy(static_cast<uint8_t*>(data) + entry.offset, value.data(), value.size());
    return {};
  }
  return "no variable " + variable + " in .rodata";
}

}  // namespace uspan
