// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <memory>

#include "owned_fd.h"
#include "sigbus.h"

namespace uspan {

/** The pages. The handle and the ArrayBuffer over them share it, and the last one that is collected unmaps them. */
class Mapping {
 public:
  Mapping(void* start, size_t size);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  void Unmap();
  void* start() const { return start_; }
  size_t size() const { return size_; }
  bool faulted() const { return faulted_ || (range_ && range_->faulted.load(std::memory_order_acquire)); }

 private:
  void* start_;
  size_t size_;
  GuardedRange* range_;  // null once unmapped
  bool faulted_ = false;
};

/** native.d.ts MappedFile. */
class MappedFile : public Napi::ObjectWrap<MappedFile> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit MappedFile(const Napi::CallbackInfo& info);

 private:
  friend Napi::Value MapFile(const Napi::CallbackInfo& info);
  Napi::Value Bytes(const Napi::CallbackInfo& info);
  Napi::Value SizeBytes(const Napi::CallbackInfo& info);
  Napi::Value Dev(const Napi::CallbackInfo& info);
  Napi::Value Ino(const Napi::CallbackInfo& info);
  Napi::Value MtimeNs(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Faulted(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  OwnedFd fd_;
  uint64_t size_ = 0;
  uint64_t dev_ = 0;
  uint64_t ino_ = 0;
  int64_t mtime_ns_ = 0;
  std::shared_ptr<Mapping> mapping_;  // null for an empty file
  Napi::Reference<Napi::Uint8Array> bytes_;
};

/** mapFile(path, maxBytes) */
Napi::Value MapFile(const Napi::CallbackInfo& info);

}  // namespace uspan
