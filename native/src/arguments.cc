// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <cmath>

#include "errors.h"

namespace uspan {

namespace {

[[noreturn]] void Refuse(const Napi::Value& value, const char* name, const std::string& wanted) {
  Throw(value.Env(), "E_NATIVE", std::string(name) + " must be " + wanted);
}

bool IsTypedArray(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

}  // namespace

std::string StringArgument(const Napi::Value& value, const char* name) {
  if (!value.IsString()) Refuse(value, name, "a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) Refuse(value, name, "a string without NUL");
  return text;
}

uint64_t NumberArgument(const Napi::Value& value, const char* name, uint64_t max) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= 0 && number <= static_cast<double>(max)) || number != std::floor(number)) {
    Refuse(value, name, "a whole number from 0 to " + std::to_string(max));
  }
  return static_cast<uint64_t>(number);
}

std::span<uint8_t> BytesArgument(const Napi::Value& value, const char* name) {
  if (!IsTypedArray(value, napi_uint8_array)) Refuse(value, name, "a Uint8Array");
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::span<uint64_t> BigUint64sArgument(const Napi::Value& value, const char* name) {
  if (!IsTypedArray(value, napi_biguint64_array)) Refuse(value, name, "a BigUint64Array");
  auto array = value.As<Napi::BigUint64Array>();
  return {array.Data(), array.ElementLength()};
}

Napi::Object ObjectArgument(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) Refuse(value, name, "an object");
  return value.As<Napi::Object>();
}

}  // namespace uspan
