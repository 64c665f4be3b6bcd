#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dpdk/eal.hpp"
#include "dpdk/kernel_link.hpp"

namespace sipfront::dpdk {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::uint32_t> two_cpus{0, 1};

TEST(WorkerCpus, GoRoundTheAllowedOnesByDefault) {
    DataPlaneConfig c;
    c.workers = 3;
    EXPECT_THAT(worker_cpus(c, two_cpus).value(), ElementsAre(0, 1, 0));
}

TEST(WorkerCpus, MayBeShared) {
    DataPlaneConfig c;
    c.workers = 4;
    c.cores = {0, 0, 1, 1};
    EXPECT_THAT(worker_cpus(c, two_cpus).value(), ElementsAre(0, 0, 1, 1));
}

TEST(WorkerCpus, MustExistAndMatchTheWorkers) {
    DataPlaneConfig c;
    c.workers = 2;
    c.cores = {0, 2};
    auto missing = worker_cpus(c, two_cpus);
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().what, HasSubstr("CPU 2"));
    c.cores = {0};
    EXPECT_FALSE(worker_cpus(c, two_cpus));
    c.cores = {};
    c.workers = 0;
    EXPECT_FALSE(worker_cpus(c, two_cpus));
}

TEST(EalArguments, MapWorkersToLcoresAndLetTheMainOneFloat) {
    DataPlaneConfig c;
    c.workers = 4;
    c.cores = {0, 0, 1, 1};
    c.ports = {{"net_memif0,role=client"}};
    const auto args = eal_arguments(c, two_cpus).value();
    EXPECT_THAT(args, Contains("--lcores=0@0,1@0,2@1,3@1,4@(0,1)"));
    EXPECT_THAT(args, Contains("--main-lcore=4"));
    EXPECT_THAT(args, Contains("--no-pci"));
    EXPECT_THAT(args, Not(Contains("--no-huge")));
}

TEST(EalArguments, NamePciPortsAndPassTheOperatorsOwnOn) {
    DataPlaneConfig c;
    c.ports = {{"0000:18:00.0"}, {"net_tap0,iface=a:b.c"}};
    c.huge_pages = false;
    c.eal_args = {"--iova-mode=va"};
    const auto args = eal_arguments(c, two_cpus).value();
    EXPECT_THAT(args, Contains("0000:18:00.0"));
    EXPECT_EQ(std::ranges::count(args, "-a"), 1);
    EXPECT_THAT(args, Not(Contains("--no-pci")));
    EXPECT_THAT(args, Contains("--no-huge"));
    EXPECT_EQ(args.back(), "--iova-mode=va");
}

TEST(EalArguments, AskForSingleFilesWhereAMemifSharesItsBuffers) {
    DataPlaneConfig c;
    c.ports = {{"net_memif0,role=client,socket=/run/x.sock"}};
    EXPECT_THAT(eal_arguments(c, two_cpus).value(), Not(Contains("--single-file-segments")));
    c.ports = {{"net_memif0,role=client,zero-copy=yes"}};
    const auto args = eal_arguments(c, two_cpus).value();
    EXPECT_THAT(args, Contains("--single-file-segments"));
    EXPECT_THAT(args, Contains("--no-pci"));
}

TEST(RateLimit, LetsABurstPassAndThenTheRate) {
    using namespace std::chrono_literals;
    RateLimit limit{1000, 10};
    core::Tick t{10s};
    EXPECT_EQ(limit.take(t, 64), 10U);
    EXPECT_EQ(limit.take(t, 1), 0U);
    EXPECT_EQ(limit.take(t + 3ms, 64), 3U);
    t += 3ms;
    std::uint32_t passed = 0;
    for (int i = 0; i < 1000; ++i) passed += limit.take(t += 1ms, 64);
    EXPECT_EQ(passed, 1000U);
    EXPECT_EQ(limit.take(t + 1h, 64), 10U);  // silence saves up no more than a burst
}

TEST(RateLimit, ZeroMeansUnlimited) {
    RateLimit limit{0, 1};
    EXPECT_EQ(limit.take(core::Tick{}, 1'000'000), 1'000'000U);
}

}  // namespace
}  // namespace sipfront::dpdk
