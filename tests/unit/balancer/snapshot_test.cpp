#include "balancer/snapshot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "balancer/introspection.hpp"
#include "core/published.hpp"
#include "rows.hpp"

namespace sipfront::balancer {
namespace {

using core::Transport;
using core::Zone;
using test::Control;
using test::host_endpoint;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

core::Prefix prefix(std::string_view text) { return core::Prefix::parse(text).value(); }

ResourceSet call(const Snapshot& s) { return s.call_resources(); }

TEST(Snapshot, FindsHostsByAddressTheLoadBalancersRowFirst) {
    Control control;
    const auto s = control.snapshot(test::cluster(4));
    EXPECT_EQ(s->find(host_endpoint(2), Transport::udp), control.lb(2));
    EXPECT_EQ(s->find(host_endpoint(2), Transport::tcp), core::no_destination);
    EXPECT_EQ(s->find(host_endpoint(9), Transport::udp), core::no_destination);
    auto other_port = host_endpoint(2);
    other_port.port = 5070;
    EXPECT_EQ(s->find(other_port, Transport::udp), core::no_destination);
    const auto* d = s->find(control.lb(2));
    ASSERT_NE(d, nullptr);
    EXPECT_EQ(d->uri, "sip:10.77.0.105:5060");
    EXPECT_EQ(s->find(core::DestinationId{999}), nullptr);
    EXPECT_EQ(s->find(core::no_destination), nullptr);
}

TEST(Snapshot, FindsTheServingGroupBeforeOthers) {
    Control control;
    BalancerConfig config;
    config.lb_group = 2;
    config.load_balancer = {test::lb_row(0), test::lb_row(0)};
    config.load_balancer[1].group_id = 2;
    const auto s = control.snapshot(config);
    EXPECT_EQ(s->find(host_endpoint(0), Transport::udp), control.id(Kind::load_balancer, 0, 2));
    EXPECT_EQ(s->calls().size(), 1U);
    EXPECT_EQ(s->group(1).size(), 1U);
    EXPECT_THAT(s->group(3), IsEmpty());
}

TEST(Snapshot, KnowsTheZones) {
    Control control;
    auto config = test::cluster(1);
    config.cluster_prefixes = {prefix("10.88.0.0/16"), prefix("fd88::/32")};
    config.carrier_prefixes = {prefix("192.0.2.0/24"), prefix("10.88.7.0/24")};
    const auto s = control.snapshot(config);
    const auto zone = [&](std::string_view a) { return s->zone_of(core::IpAddress::parse(a).value()); };
    EXPECT_EQ(zone("10.77.0.103"), Zone::cluster);
    EXPECT_EQ(zone("10.77.0.104"), Zone::outside);
    EXPECT_EQ(zone("10.88.255.255"), Zone::cluster);
    EXPECT_EQ(zone("10.88.7.1"), Zone::cluster) << "the cluster comes before carriers";
    EXPECT_EQ(zone("fd88::1"), Zone::cluster);
    EXPECT_EQ(zone("fd89::1"), Zone::outside);
    EXPECT_EQ(zone("192.0.2.77"), Zone::carrier);
    EXPECT_EQ(zone("192.0.3.0"), Zone::outside);
}

TEST(Snapshot, OrdersDispatcherSetsByPriority) {
    Control control;
    BalancerConfig config;
    config.dispatcher = {test::ds_row(0, 1, 0), test::ds_row(1, 5, 2), test::ds_row(2, 1, 1)};
    const auto s = control.snapshot(config);
    ASSERT_EQ(s->dispatched().size(), 3U);
    EXPECT_EQ(s->dispatched()[0].id, control.ds(1));
    EXPECT_EQ(s->dispatched()[0].weight, 5U);
    EXPECT_EQ(s->dispatched()[1].id, control.ds(2));
    EXPECT_EQ(s->dispatched()[2].id, control.ds(0));
}

TEST(SnapshotBuild, NamesEachBadRowAndTakesTheOthers) {
    Control control;
    auto config = test::cluster(2);
    config.load_balancer.push_back(test::lb_row(2));
    config.load_balancer[2].dst_uri = "sip:fs3.example.org";
    config.load_balancer.push_back(test::lb_row(0));
    config.load_balancer[3].id = 44;
    config.load_balancer[3].dst_uri = "sip:10.77.0.103:5060";
    config.load_balancer.push_back(test::lb_row(4));
    config.load_balancer[4].probe_mode = 3;
    config.dispatcher.push_back(test::ds_row(5));
    config.dispatcher[2].state = 9;
    config.dispatcher.push_back(test::ds_row(6));
    config.dispatcher[3].destination = "sip:10.77.0.109;transport=sctp";
    const auto build = control.build(config);
    EXPECT_THAT(
        build.errors,
        ElementsAre(AllOf(HasSubstr("load_balancer row 3, dst_uri: "), HasSubstr("fs3.example.org"), HasSubstr("write the address")),
                    AllOf(HasSubstr("load_balancer row 44, dst_uri: "), HasSubstr("already"), HasSubstr("remove one")),
                    AllOf(HasSubstr("load_balancer row 5, probe_mode: "), HasSubstr("3 is not a probe mode")),
                    AllOf(HasSubstr("dispatcher row 6, state: "), HasSubstr("9 is not a state")),
                    AllOf(HasSubstr("dispatcher row 7, destination: "), HasSubstr("sctp"))));
    EXPECT_EQ(build.snapshot->calls().size(), 2U);
    EXPECT_EQ(build.snapshot->dispatched().size(), 2U);
    EXPECT_EQ(build.snapshot->destinations().size(), 4U);
}

TEST(SnapshotBuild, TooManyResourceNamesAndDestinationsAreErrorsNotCrashes) {
    Control control;
    auto config = test::cluster(1);
    auto many = test::lb_row(1);
    for (int i = 0; i < 20; ++i) many.resources.push_back({"r" + std::to_string(i), 1});
    config.load_balancer.push_back(many);
    EXPECT_THAT(control.build(config).errors, ElementsAre(AllOf(HasSubstr("row 2, resources"), HasSubstr("more than 16"))));

    Control crowded;
    BalancerConfig huge;
    for (std::uint32_t i = 0; i < max_destinations + 2; ++i) {
        huge.dispatcher.push_back(test::ds_row(0));
        huge.dispatcher.back().setid = i;
    }
    const auto build = crowded.build(huge);
    EXPECT_EQ(build.errors.size(), 2U);
    EXPECT_EQ(build.snapshot->destinations().size(), max_destinations);
}

TEST(SnapshotBuild, WarnsOfRowsThatCannotServe) {
    Control control;
    auto config = test::cluster(2);
    config.load_balancer[1].resources = {{"conf", 4}};
    config.dispatcher[0].state = 2;
    config.dispatcher[0].probe_mode = 0;
    const auto build = control.build(config);
    EXPECT_THAT(build.errors, IsEmpty());
    EXPECT_THAT(build.warnings,
                ElementsAre(HasSubstr("load_balancer row 2, resources: lacks \"pstn\""), HasSubstr("dispatcher row 1, probe_mode")));
    ASSERT_EQ(build.snapshot->calls().size(), 1U);
    EXPECT_EQ(build.snapshot->calls()[0].id, control.lb(0));
}

TEST(SnapshotBuild, WhatACallUsesIsFixedWhileRunning) {
    Control control;
    auto config = test::cluster(1);
    config.load_balancer[0].resources = {{"pstn", 5}, {"conf", 5}};
    const auto before = call(*control.snapshot(config));
    config.lb_resource = "pstn;conf";
    const auto build = control.build(config);
    EXPECT_THAT(build.errors, ElementsAre(HasSubstr("restart")));
    EXPECT_EQ(call(*build.snapshot), before);
    config.lb_resource = " ";
    EXPECT_THAT(control.build(config).errors, ElementsAre(HasSubstr("lb_resource")));
}

TEST(Reload, KeepsIdsLoadsPicksAndStates) {
    Control control;
    auto config = test::cluster(3);
    const auto first = control.snapshot(config);
    const auto id = control.lb(1);
    ASSERT_TRUE(first->find(id)->load->try_reserve(call(*first)));
    first->find(id)->load->count_pick(core::WorkerId{0});
    for (int i = 0; i < 2; ++i) control.health.apply({id, sip::Outcome::timeout});

    // Another order, another row id, another spelling, another capacity.
    std::swap(config.load_balancer[0], config.load_balancer[1]);
    config.load_balancer[0].id = 77;
    config.load_balancer[0].dst_uri = "sip:10.77.0.104:5060;transport=udp";
    config.load_balancer[0].resources = {{"pstn", 64}};
    const auto second = control.snapshot(config);
    EXPECT_EQ(control.lb(1), id);
    const auto* d = second->find(id);
    ASSERT_NE(d, nullptr);
    EXPECT_EQ(d->load, first->find(id)->load);
    EXPECT_EQ(d->row_id, 77U);
    EXPECT_EQ(d->state, State::probing);
    const auto view = list(*second);
    ASSERT_EQ(view.size(), 6U);
    EXPECT_EQ(view[0].id, id);
    EXPECT_EQ(view[0].picks, 1U);
    ASSERT_EQ(view[0].resources.size(), 1U);
    EXPECT_EQ(view[0].resources[0].load, 1U);
    EXPECT_EQ(view[0].resources[0].capacity, 64U);
    EXPECT_FALSE(second->calls()[0].active);
}

TEST(Reload, ARowsResourceThatGoesKeepsItsCountForTheCallsThatTookIt) {
    Control control;
    auto config = test::cluster(1);
    const auto first = control.snapshot(config);
    auto& load = *first->find(control.lb(0))->load;
    ASSERT_TRUE(load.try_reserve(call(*first)));
    config.load_balancer[0].resources = {{"conf", 4}};
    const auto second = control.snapshot(config);
    EXPECT_THAT(second->calls(), IsEmpty());
    EXPECT_FALSE(load.idle());
    EXPECT_TRUE(load.release(call(*second)));
    EXPECT_TRUE(load.idle());
}

// A removed host: calls on it go on, are found and are given back; nothing new comes; then it goes, and only then its id.
TEST(Reload, ARemovedDestinationLingersUntilItsLastCallEnds) {
    Control control;
    core::Published<Snapshot> published{1};
    const core::WorkerId worker{0};
    auto config = test::cluster(2);
    config.dispatcher.clear();
    const auto publish = [&] {
        published.publish(control.snapshot(config));
        const auto* s = published.acquire(worker);
        published.reclaim();
        return s;
    };
    const auto* s = publish();
    const auto id = control.lb(1);
    ASSERT_TRUE(s->find(id)->load->try_reserve(call(*s)));

    config.load_balancer.pop_back();
    for (int i = 0; i < 3; ++i) {
        s = publish();
        ASSERT_NE(s->find(id), nullptr);
        EXPECT_EQ(s->find(id)->phase, Phase::lingering);
        EXPECT_EQ(s->find(host_endpoint(1), Transport::udp), id) << "its calls are still routed";
        EXPECT_EQ(s->zone_of(host_endpoint(1).address), Zone::cluster);
        EXPECT_EQ(s->calls().size(), 1U) << "it takes nothing new";
        EXPECT_EQ(control.registry.leaving(), 1U);
    }
    const auto views = list(*s);
    ASSERT_EQ(views.size(), 2U);
    EXPECT_TRUE(views[1].leaving);
    EXPECT_EQ(views[1].resources[0].load, 1U);

    ASSERT_TRUE(s->find(id)->load->release(call(*s)));
    s = publish();
    ASSERT_NE(s->find(id), nullptr);
    EXPECT_EQ(s->find(id)->phase, Phase::closing);
    EXPECT_EQ(s->find(host_endpoint(1), Transport::udp), core::no_destination);
    for (int i = 0; i < 3; ++i) s = publish();
    EXPECT_EQ(s->find(id), nullptr);
    EXPECT_EQ(control.registry.leaving(), 0U);
    EXPECT_EQ(control.health.find(id), nullptr);
    EXPECT_EQ(control.lb(1), core::no_destination);
}

TEST(Reload, ADestinationDoesNotGoWhileAWorkerStillSeesItAlive) {
    Control control;
    core::Published<Snapshot> published{2};
    auto config = test::cluster(2);
    config.dispatcher.clear();
    published.publish(control.snapshot(config));
    const auto* slow = published.acquire(core::WorkerId{1});
    const auto need = call(*slow);
    const auto id = control.lb(1);
    config.load_balancer.pop_back();
    const auto turn = [&] {
        published.publish(control.snapshot(config));
        const auto* s = published.acquire(core::WorkerId{0});
        published.reclaim();
        return s;
    };
    for (int i = 0; i < 5; ++i) EXPECT_NE(turn()->find(id), nullptr) << "worker 1 may still put a call on it";
    // It does; the other worker's newest snapshot can give it back.
    ASSERT_TRUE(slow->find(id)->load->try_reserve(need));
    EXPECT_EQ(turn()->find(id)->phase, Phase::lingering);
    ASSERT_NE(published.acquire(core::WorkerId{1})->find(id), nullptr);
    ASSERT_TRUE(turn()->find(id)->load->release(need));
    for (int i = 0; i < 6; ++i) {
        turn();
        published.acquire(core::WorkerId{1});
        published.reclaim();
    }
    EXPECT_EQ(published.current()->find(id), nullptr);
    EXPECT_EQ(control.registry.leaving(), 0U);
}

TEST(Reload, ARowThatComesBackFindsItsOldLoad) {
    Control control;
    auto config = test::cluster(2);
    const auto first = control.snapshot(config);
    const auto id = control.lb(1);
    ASSERT_TRUE(first->find(id)->load->try_reserve(call(*first)));
    auto without = config;
    without.load_balancer.pop_back();
    const auto second = control.snapshot(without);
    const auto third = control.snapshot(config);
    EXPECT_EQ(control.lb(1), id);
    EXPECT_EQ(third->find(id)->phase, Phase::live);
    EXPECT_EQ(third->find(id)->load, first->find(id)->load);
    EXPECT_EQ(third->calls().size(), 2U);
}

TEST(Reload, AFreedIdRestsBeforeItNamesAnotherDestination) {
    Control control;
    auto config = test::cluster(1);
    config.dispatcher.clear();
    control.snapshot(config);
    const auto id = control.lb(0);
    config.load_balancer.clear();
    for (int i = 0; i < 4; ++i) control.snapshot(config);
    ASSERT_EQ(control.registry.leaving(), 0U);
    config.load_balancer = {test::lb_row(1)};
    control.snapshot(config);
    EXPECT_NE(control.lb(1), id);
}

}  // namespace
}  // namespace sipfront::balancer
