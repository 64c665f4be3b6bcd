# Everything comes from Debian 12 (packages.txt); nothing is downloaded or vendored.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk)
pkg_check_modules(OSIP2 REQUIRED IMPORTED_TARGET libosip2)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus)

# libdpdk's flags ask for -march=corei7 and drag in warnings of its headers: take its include path as a system one, and
# keep our own baseline.
add_library(sipfront_dpdk_sdk INTERFACE)
target_include_directories(sipfront_dpdk_sdk SYSTEM INTERFACE ${DPDK_INCLUDE_DIRS})
target_compile_options(sipfront_dpdk_sdk INTERFACE -include rte_config.h)
target_link_libraries(sipfront_dpdk_sdk INTERFACE ${DPDK_LINK_LIBRARIES} ${DPDK_LDFLAGS_OTHER})
# The drivers are plug-ins that the EAL loads; of these two we call functions of their own (the ring driver's in tests only).
foreach(driver bond ring)
  find_library(sipfront_rte_net_${driver} rte_net_${driver} REQUIRED)
  target_link_libraries(sipfront_dpdk_sdk INTERFACE ${sipfront_rte_net_${driver}})
endforeach()
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)

# Connector/C++ 1.1 has no pkg-config file, and its headers use dynamic exception specifications, which C++17 took out.
find_path(SIPFRONT_MYSQL_INCLUDE cppconn/driver.h REQUIRED)
find_library(SIPFRONT_MYSQL_LIBRARY mysqlcppconn REQUIRED)
add_library(sipfront_mysql INTERFACE)
target_include_directories(sipfront_mysql SYSTEM INTERFACE ${SIPFRONT_MYSQL_INCLUDE})
target_link_libraries(sipfront_mysql INTERFACE ${SIPFRONT_MYSQL_LIBRARY})
