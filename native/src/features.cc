// SPDX-License-Identifier: Apache-2.0
#include "features.h"

#include "arguments.h"
#include "errors.h"
#include "feature_probes.h"

namespace uspan {

Napi::Value ProbeFeature(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string name = StringArgument(info[0], "name");
  FeatureAnswer answer;
  if (!Feature(name, answer)) Throw(env, "E_NATIVE", "there is no feature named " + name);
  Napi::Object result = Napi::Object::New(env);
  result.Set("supported", answer.supported);
  result.Set("detail", answer.detail);
  return result;
}

}  // namespace uspan
