// SPDX-License-Identifier: Apache-2.0
#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "addon.h"
#include "arguments.h"
#include "errors.h"

namespace uspan {

Mapping::Mapping(void* start, size_t size) : start_(start), size_(size), range_(GuardRange(start, size)) {}

Mapping::~Mapping() { Unmap(); }

void Mapping::Unmap() {
  if (!range_) return;
  faulted_ = range_->faulted.load(std::memory_order_acquire);
  ReleaseRange(range_);
  range_ = nullptr;
  munmap(start_, size_);
}

namespace {

/** An ArrayBuffer over the pages, which keeps them mapped. Without pages, an ordinary empty one. */
Napi::ArrayBuffer Buffer(Napi::Env env, const std::shared_ptr<Mapping>& mapping) {
  if (!mapping) return Napi::ArrayBuffer::New(env, 0);
  return Napi::ArrayBuffer::New(
      env, mapping->start(), mapping->size(), [](Napi::Env, void*, std::shared_ptr<Mapping>* owner) { delete owner; },
      new std::shared_ptr<Mapping>(mapping));
}

}  // namespace

Napi::Function MappedFile::Define(Napi::Env env) {
  return DefineClass(env, "MappedFile",
                     {
                         InstanceAccessor<&MappedFile::Bytes>("bytes"),
                         InstanceAccessor<&MappedFile::SizeBytes>("sizeBytes"),
                         InstanceAccessor<&MappedFile::Dev>("dev"),
                         InstanceAccessor<&MappedFile::Ino>("ino"),
                         InstanceAccessor<&MappedFile::MtimeNs>("mtimeNs"),
                         InstanceAccessor<&MappedFile::Fd>("fd"),
                         InstanceMethod<&MappedFile::Faulted>("faulted"),
                         InstanceMethod<&MappedFile::Close>("close"),
                     });
}

MappedFile::MappedFile(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MappedFile>(info) { RequireInternal(info); }

Napi::Value MappedFile::Bytes(const Napi::CallbackInfo&) { return bytes_.Value(); }
Napi::Value MappedFile::SizeBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(size_));
}
Napi::Value MappedFile::Dev(const Napi::CallbackInfo& info) { return Napi::BigInt::New(info.Env(), dev_); }
Napi::Value MappedFile::Ino(const Napi::CallbackInfo& info) { return Napi::BigInt::New(info.Env(), ino_); }
Napi::Value MappedFile::MtimeNs(const Napi::CallbackInfo& info) { return Napi::BigInt::New(info.Env(), mtime_ns_); }

Napi::Value MappedFile::Fd(const Napi::CallbackInfo& info) {
  if (!fd_.ok()) Throw(info.Env(), "E_NATIVE", "the mapped file is closed");
  return Napi::Number::New(info.Env(), fd_.get());
}

Napi::Value MappedFile::Faulted(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), mapping_ && mapping_->faulted());
}

Napi::Value MappedFile::Close(const Napi::CallbackInfo& info) {
  if (!fd_.ok()) return info.Env().Undefined();
  fd_.Reset();
  // After the detach, JavaScript cannot reach the pages through any view.
  bytes_.Value().ArrayBuffer().Detach();
  if (mapping_) mapping_->Unmap();
  return info.Env().Undefined();
}

Napi::Value MapFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = StringArgument(info[0], "path");
  const uint64_t max_bytes = NumberArgument(info[1], "maxBytes", UINT64_C(1) << 53);

  // O_NONBLOCK, because opening a FIFO must not hang. The code below refuses it.
  OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok()) Throw(env, "E_FILE_READ", "open " + path, {errno, {}});
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) Throw(env, "E_FILE_READ", "stat " + path, {errno, {}});
  if (!S_ISREG(status.st_mode)) Throw(env, "E_FILE_READ", path + " is not a regular file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes) {
    Throw(env, "E_FILE_READ", path + " has " + std::to_string(size) + " bytes, more than " + std::to_string(max_bytes));
  }
  std::shared_ptr<Mapping> mapping;
  if (size > 0) {
    // The mapping is shared. Into every private mapping of a file that could be executed, the kernel writes the breakpoints of all uprobes
    // (valid_vma() in kernel/events/uprobes.c), and uspan needs the file's own bytes.
    void* start = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (start == MAP_FAILED) Throw(env, "E_FILE_READ", "map " + path, {errno, {}});
    mapping = std::make_shared<Mapping>(start, size);
  }

  Napi::Object object = Construct(env, AddonData::Of(env).mapped_file);
  MappedFile* file = MappedFile::Unwrap(object);
  file->fd_ = std::move(fd);
  file->size_ = size;
  file->dev_ = status.st_dev;
  file->ino_ = status.st_ino;
  file->mtime_ns_ = status.st_mtim.tv_sec * INT64_C(1'000'000'000) + status.st_mtim.tv_nsec;
  file->mapping_ = mapping;
  file->bytes_ = Napi::Persistent(Napi::Uint8Array::New(env, size, Buffer(env, mapping), 0));
  return object;
}

}  // namespace uspan
