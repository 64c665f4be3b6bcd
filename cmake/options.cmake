# Compile options that every target of ours takes; sipfront_options carries them.
add_library(sipfront_options INTERFACE)
target_include_directories(sipfront_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(sipfront_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Woverloaded-virtual -Wconversion -Werror
  -Wno-missing-field-initializers  # designated initialisers leave the rest to the defaults
  # g++ 12 sees overlaps in std::string that are none (GCC PR 105651) and unset members of temporaries that are set (PR 105562).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  # ... and, at -O3, copies of half the address space where a string is moved (PR 105329).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>
  $<$<CONFIG:Debug>:-fno-omit-frame-pointer>
  # Records of a few cache lines are cleared and copied all the time: string instructions take longer to start than that.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<CONFIG:Debug>>>:-mmemset-strategy=vector_loop:1024:noalign,libcall:-1:noalign>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<CONFIG:Debug>>>:-mmemcpy-strategy=vector_loop:1024:noalign,libcall:-1:noalign>
  # The baseline of every machine since 2009; wider instructions are chosen at run time (sip/scan).
  -march=x86-64-v2 -mtune=generic)

if(SIPFRONT_SANITIZE)
  target_compile_options(sipfront_options INTERFACE -fsanitize=${SIPFRONT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sipfront_options INTERFACE -fsanitize=${SIPFRONT_SANITIZE})
endif()
if(SIPFRONT_FUZZ)
  target_compile_options(sipfront_options INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  target_link_options(sipfront_options INTERFACE -fsanitize=address,undefined)
endif()

# The folder's static library, made of all its sources but the programs' mains: sipfront_library(core LINK PUBLIC x PRIVATE y).
function(sipfront_library name)
  cmake_parse_arguments(arg "" "" "EXCLUDE;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(TRANSFORM arg_EXCLUDE PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  list(REMOVE_ITEM sources ${arg_EXCLUDE} "")
  add_library(sipfront_${name} STATIC ${sources})
  set_target_properties(sipfront_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(sipfront_${name} PUBLIC sipfront_options)
  if(arg_LINK)
    target_link_libraries(sipfront_${name} ${arg_LINK})
  endif()
endfunction()
