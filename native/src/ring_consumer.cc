// SPDX-License-Identifier: Apache-2.0
#include "ring_consumer.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace uspan {

namespace {

constexpr size_t RoundUp8(size_t bytes) { return (bytes + 7) & ~size_t{7}; }

uint64_t LoadAcquire(const uint8_t* position) {
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(position), __ATOMIC_ACQUIRE);
}

}  // namespace

RingConsumer::RingConsumer(int map_fd, size_t size_bytes)
    : size_(size_bytes), page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
  // Page 0: our position. Page 1: the kernel's position. Then the data, which could be mapped twice in a row, so that no record is ever split:
  // that would count twice in our resident memory.
  void* consumer = mmap(nullptr, page_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (consumer == MAP_FAILED) return;
  consumer_page_ = static_cast<uint8_t*>(consumer);
  void* producer = mmap(nullptr, page_ + size_, PROT_READ, MAP_SHARED, map_fd, static_cast<off_t>(page_));
  if (producer == MAP_FAILED) return;
  producer_page_ = static_cast<uint8_t*>(producer);
}

RingConsumer::~RingConsumer() {
  if (producer_page_) munmap(producer_page_, page_ + size_);
  if (consumer_page_) munmap(consumer_page_, page_);
}

size_t RingConsumer::Drain(std::span<uint8_t> slab) {
  const uint8_t* data = producer_page_ + page_;
  uint64_t* position = reinterpret_cast<uint64_t*>(consumer_page_);
  uint64_t consumed = __atomic_load_n(position, __ATOMIC_RELAXED);  // only we write it
  size_t written = 0;
  bool stop = false;
  for (uint64_t produced = LoadAcquire(producer_page_); !stop && consumed < produced; produced = LoadAcquire(producer_page_)) {
    while (consumed < produced) {
      // A header is never split: all positions are multiples of 8.
      const uint8_t* header = data + (consumed & (size_ - 1));
      const uint32_t word = __atomic_load_n(reinterpret_cast<const uint32_t*>(header), __ATOMIC_ACQUIRE);
      stop = (word & BPF_RINGBUF_BUSY_BIT) != 0;  // reserved but not submitted: everything behind it waits too
      if (stop) break;
      const size_t length = word & ~BPF_RINGBUF_DISCARD_BIT;
      const size_t padded = RoundUp8(length);
      if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
        if (padded > slab.size()) {
          oversized_records_++;
        } else if (padded > slab.size() - written) {
          stop = true;
          break;
        } else if (padded > 0) {
          uint8_t* to = slab.data() + written;
          memset(to + padded - 8, 0, 8);
          CopyOut(to, consumed + BPF_RINGBUF_HDR_SZ, length);
          written += padded;
        }
      }
      consumed += RoundUp8(length + BPF_RINGBUF_HDR_SZ);
    }
    __atomic_store_n(position, consumed, __ATOMIC_RELEASE);
    // BPF notifies only when it finds that we have caught up. So our position must be visible before we check again for more.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  }
  return written;
}

void RingConsumer::CopyOut(uint8_t* to, uint64_t position, size_t length) const {
  const uint8_t* data = producer_page_ + page_;
  const size_t offset = position & (size_ - 1);
  const size_t before_end = std::min(length, size_ - offset);
  memcpy(to, data + offset, before_end);
  memcpy(to + before_end, data, length - before_end);
}

}  // namespace uspan
