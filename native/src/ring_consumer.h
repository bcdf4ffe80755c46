// SPDX-License-Identifier: Apache-2.0
// The user-space half of BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace uspan {

class RingConsumer {
 public:
  /** Maps the ring. On failure, ok() is false and errno says why. */
  RingConsumer(int map_fd, size_t size_bytes);
  ~RingConsumer();
  RingConsumer(const RingConsumer&) = delete;
  RingConsumer& operator=(const RingConsumer&) = delete;

  bool ok() const { return producer_page_ != nullptr; }
  /**
   * Copies whole records to multiples of 8 in `slab`, with zeroed padding. It stops when the ring is empty, when a record is not committed
   * yet, or when the next one does not fit. It skips and counts a record that is larger than all of `slab`. Returns the bytes written.
   */
  size_t Drain(std::span<uint8_t> slab);
  uint64_t oversized_records() const { return oversized_records_; }

 private:
  /** Copies `length` bytes of data that begin at a position of the ring, and may go on at its start. */
  void CopyOut(uint8_t* to, uint64_t position, size_t length) const;

  size_t size_;
  size_t page_;
  uint8_t* consumer_page_ = nullptr;
  uint8_t* producer_page_ = nullptr;
  uint64_t oversized_records_ = 0;
};

}  // namespace uspan
