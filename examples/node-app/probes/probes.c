// USDT probes of the shop's own, for JavaScript: price__start(quote number, SKU) and price__end(cents).
// A probe that no tool is attached to is one nop.
#include <node_api.h>
#include <sys/sdt.h>

static napi_value price_start(napi_env env, napi_callback_info info) {
	size_t argc = 2;
	napi_value argv[2];
	int64_t number = 0;
	char sku[64] = "";

	napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
	napi_get_value_int64(env, argv[0], &number);
	napi_get_value_string_utf8(env, argv[1], sku, sizeof(sku), NULL);
	DTRACE_PROBE2(shop, price__start, number, sku);
	return NULL;
}

static napi_value price_end(napi_env env, napi_callback_info info) {
	size_t argc = 1;
	napi_value argv[1];
	int64_t cents = 0;

	napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
	napi_get_value_int64(env, argv[0], &cents);
	DTRACE_PROBE1(shop, price__end, cents);
	return NULL;
}

NAPI_MODULE_INIT() {
	napi_value function;

	napi_create_function(env, "priceStart", NAPI_AUTO_LENGTH, price_start, NULL, &function);
	napi_set_named_property(env, exports, "priceStart", function);
	napi_create_function(env, "priceEnd", NAPI_AUTO_LENGTH, price_end, NULL, &function);
	napi_set_named_property(env, exports, "priceEnd", function);
	return exports;
}
