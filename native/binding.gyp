# Release: the shipped addon. Debug: the same with AddressSanitizer and UBSan (scripts/build-native.sh --asan).
{
  'targets': [{
    'target_name': 'uspan',
    'sources': [
      'src/addon.cc',
      'src/arguments.cc',
      'src/attach.cc',
      'src/bpf_map.cc',
      'src/bpf_object.cc',
      'src/capabilities.cc',
      'src/clock.cc',
      'src/close_pool.cc',
      'src/close_promise.cc',
      'src/errors.cc',
      'src/feature_probes.cc',
      'src/features.cc',
      'src/iterator.cc',
      'src/lease.cc',
      'src/libbpf_log.cc',
      'src/link.cc',
      'src/mapped_file.cc',
      'src/object_state.cc',
      'src/open_object.cc',
      'src/program_info.cc',
      'src/release_memory.cc',
      'src/resource.cc',
      'src/ring_buffer.cc',
      'src/ring_consumer.cc',
      'src/rodata.cc',
      'src/sigbus.cc',
      'src/test_run.cc',
      'src/uprobe_request.cc',
      'src/wakeup.cc',
    ],
    'include_dirs': [
      '<!(node -p "require(\'node-addon-api\').include_dir")',
      '../.cache/libbpf/include',
    ],
    'libraries': ['<(module_root_dir)/../.cache/libbpf/lib/libbpf.a', '-lelf', '-lz'],
    'defines': [
      'USPAN_LIBBPF_VERSION="<!(sed -n "s/^Version: //p" ../.cache/libbpf/lib/pkgconfig/libbpf.pc)"',
      'NAPI_VERSION=9', 'NODE_ADDON_API_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED',
    ],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-Wno-unused-parameter', '-std=gnu++17'],
    'cflags_cc': [
      '-std=gnu++20', '-fexceptions', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-Wnon-virtual-dtor',
      '-Wno-missing-field-initializers', # LIBBPF_OPTS names only the fields it needs
      '-ffile-prefix-map=<(module_root_dir)=.',
    ],
    # Keep libbpf's symbols inside: another addon in the process may carry another libbpf.
    'ldflags': ['-Wl,--exclude-libs,ALL'],
    'configurations': {
      'Debug': {
        'cflags_cc!': ['-O0'],
        'cflags_cc': ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
        'ldflags': ['-fsanitize=address,undefined'],
      },
    },
  }],
}
