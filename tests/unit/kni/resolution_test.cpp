#include "kni/resolution.hpp"

#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sipfront::kni {
namespace {

using core::NameStatus;
using testing::ElementsAre;
using testing::IsEmpty;

core::NameQuestion question(std::string_view host, std::uint16_t port = 0, bool transport = false) {
    return *core::NameQuestion::make(host, port, transport);
}

DnsRecord address(std::string_view text) { return {.address = *core::IpAddress::parse(text)}; }
DnsRecord srv(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string name) {
    return {.first = priority, .second = weight, .port = port, .name = std::move(name)};
}
DnsRecord naptr(std::uint16_t order, std::uint16_t preference, std::string services, std::string name, std::string flags = "s") {
    return {.first = order, .second = preference, .name = std::move(name), .flags = std::move(flags), .services = std::move(services)};
}

// A DNS of a few names; what it does not hold is absent.
struct Zone {
    std::map<std::pair<std::string, RecordType>, DnsReply> held;
    std::vector<std::string> asked;

    void has(const std::string& name, RecordType type, std::vector<DnsRecord> records, std::uint32_t ttl = 100) {
        held[{name, type}] = {DnsReply::Status::found, std::move(records), ttl};
    }
    void fails(const std::string& name, RecordType type) { held[{name, type}] = {}; }

    Resolution resolve(const core::NameQuestion& q, Families families = {}) {
        Resolution r{q, families};
        auto queries = r.begin();
        while (!queries.empty()) {
            const auto query = queries.front();
            queries.erase(queries.begin());
            static const std::map<RecordType, std::string> names{
                {RecordType::a, "A"}, {RecordType::aaaa, "AAAA"}, {RecordType::srv, "SRV"}, {RecordType::naptr, "NAPTR"}};
            asked.push_back(names.at(query.type) + " " + query.name);
            const auto found = held.find({query.name, query.type});
            for (auto& q2 : r.on_reply(query, found == held.end() ? DnsReply{DnsReply::Status::absent, {}, 20} : found->second))
                queries.push_back(std::move(q2));
        }
        EXPECT_TRUE(r.done());
        return r;
    }
};

std::vector<std::string> targets(const Resolution& r) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < r.answer().count; ++i) all.push_back(r.answer().targets[i].remote.to_string());
    return all;
}

TEST(Resolution, WithAPortOnlyTheAddress_Rfc3263_4_2) {
    Zone zone;
    zone.has("gw.example", RecordType::a, {address("192.0.2.1"), address("192.0.2.2")}, 30);
    const auto r = zone.resolve(question("gw.example", 5080));
    EXPECT_THAT(zone.asked, ElementsAre("A gw.example"));
    EXPECT_THAT(targets(r), ElementsAre("192.0.2.1:5080", "192.0.2.2:5080"));
    EXPECT_EQ(r.ttl(), 30U);
    EXPECT_EQ(r.answer().status, NameStatus::found);
}

TEST(Resolution, WithATransportTheServiceRecordFirst_Rfc3263_4_2) {
    Zone zone;
    zone.has("_sip._udp.carrier.example", RecordType::srv, {srv(2, 0, 5062, "b.example"), srv(1, 0, 5061, "a.example")}, 50);
    zone.has("a.example", RecordType::a, {address("192.0.2.1")}, 40);
    zone.has("b.example", RecordType::a, {address("192.0.2.2")}, 60);
    const auto r = zone.resolve(question("carrier.example", 0, true));
    EXPECT_THAT(zone.asked, ElementsAre("SRV _sip._udp.carrier.example", "A a.example", "A b.example"));
    EXPECT_THAT(targets(r), ElementsAre("192.0.2.1:5061", "192.0.2.2:5062"));
    EXPECT_EQ(r.ttl(), 40U) << "of the record that holds shortest";
}

TEST(Resolution, OfAResponseTheServiceOfItsTransport_Rfc3263_5) {
    using core::Transport;
    for (const auto& [transport, service, port] :
         {std::tuple{Transport::tcp, "_sip._tcp.peer.example", 5060}, {Transport::tls, "_sips._tcp.peer.example", 5061}}) {
        Zone zone;
        zone.has("peer.example", RecordType::a, {address("192.0.2.3")});
        const auto q = *core::NameQuestion::make("peer.example", 0, true, transport);
        EXPECT_NE(q, question("peer.example", 0, true));
        // Without the record the address at the transport's own port.
        EXPECT_THAT(targets(zone.resolve(q)), ElementsAre(testing::HasSubstr("192.0.2.3:" + std::to_string(port))));
        EXPECT_THAT(zone.asked.at(0), testing::HasSubstr(service));
        zone.has(service, RecordType::srv, {srv(1, 0, 5099, "b.peer.example")});
        zone.has("b.peer.example", RecordType::a, {address("192.0.2.4")});
        EXPECT_THAT(targets(zone.resolve(q)), ElementsAre(testing::HasSubstr("192.0.2.4:5099")));
    }
}

TEST(Resolution, OtherwiseByNaptrToServiceToAddress_Rfc3263_4_1) {
    Zone zone;
    zone.has("carrier.example", RecordType::naptr,
             {naptr(10, 1, "SIPS+D2T", "_sips._tcp.carrier.example"), naptr(20, 2, "SIP+D2U", "_sip._udp.second.example"),
              naptr(20, 1, "sip+d2u", "_sip._udp.first.example", "S"), naptr(5, 1, "E2U+sip", "", "u")});
    zone.has("_sip._udp.first.example", RecordType::srv, {srv(0, 0, 5066, "gw.example")});
    zone.has("gw.example", RecordType::a, {address("192.0.2.6")});
    const auto r = zone.resolve(question("carrier.example"));
    EXPECT_THAT(zone.asked, ElementsAre("NAPTR carrier.example", "SRV _sip._udp.first.example", "A gw.example"));
    EXPECT_THAT(targets(r), ElementsAre("192.0.2.6:5066"));
}

TEST(Resolution, TheNextServiceWhenThePreferredHasNoRecord) {
    Zone zone;
    zone.has("carrier.example", RecordType::naptr,
             {naptr(1, 1, "SIP+D2U", "_sip._udp.first.example"), naptr(2, 1, "SIP+D2U", "_sip._udp.second.example")});
    zone.has("_sip._udp.second.example", RecordType::srv, {srv(0, 0, 5060, "gw.example")});
    zone.has("gw.example", RecordType::a, {address("192.0.2.6")});
    EXPECT_THAT(targets(zone.resolve(question("carrier.example"))), ElementsAre("192.0.2.6:5060"));
}

TEST(Resolution, WithoutNaptrAndServiceRecordsThePlainAddressAtTheDefaultPort) {
    Zone zone;
    zone.has("pbx.example", RecordType::a, {address("192.0.2.9")});
    const auto r = zone.resolve(question("pbx.example"));
    EXPECT_THAT(zone.asked, ElementsAre("NAPTR pbx.example", "SRV _sip._udp.pbx.example", "A pbx.example"));
    EXPECT_THAT(targets(r), ElementsAre("192.0.2.9:5060"));
    EXPECT_EQ(r.ttl(), 20U) << "that there is no SRV record holds no longer";
}

TEST(Resolution, ADomainWithoutUdpIsAbsent) {
    Zone zone;
    zone.has("tcp.example", RecordType::naptr, {naptr(1, 1, "SIP+D2T", "_sip._tcp.tcp.example")});
    zone.has("tcp.example", RecordType::a, {address("192.0.2.9")});
    EXPECT_EQ(zone.resolve(question("tcp.example")).answer().status, NameStatus::absent);
}

TEST(Resolution, AServiceThatIsDecidedlyNotThereIsAbsent_Rfc2782) {
    Zone zone;
    zone.has("_sip._udp.x.example", RecordType::srv, {srv(0, 0, 0, "")});
    zone.has("x.example", RecordType::a, {address("192.0.2.9")});
    EXPECT_EQ(zone.resolve(question("x.example")).answer().status, NameStatus::absent);
}

TEST(Resolution, FailuresAreToldFromAbsence) {
    Zone zone;
    zone.fails("_sip._udp.x.example", RecordType::srv);
    zone.has("x.example", RecordType::a, {address("192.0.2.9")});
    const auto r = zone.resolve(question("x.example"));
    EXPECT_EQ(r.answer().status, NameStatus::failed) << "the plain address is not what the SRV record would say";
    EXPECT_EQ(r.ttl(), 0U);

    Zone old;  // a name server that knows no NAPTR
    old.fails("y.example", RecordType::naptr);
    old.has("_sip._udp.y.example", RecordType::srv, {srv(0, 0, 5060, "gw.example"), srv(1, 0, 5060, "dead.example")});
    old.has("gw.example", RecordType::a, {address("192.0.2.9")});
    old.fails("dead.example", RecordType::a);
    EXPECT_THAT(targets(old.resolve(question("y.example"))), ElementsAre("192.0.2.9:5060"));
    old.fails("gw.example", RecordType::a);
    EXPECT_EQ(old.resolve(question("y.example")).answer().status, NameStatus::failed);
    EXPECT_EQ(Zone{}.resolve(question("nowhere.example")).answer().status, NameStatus::absent);
}

TEST(Resolution, AsksForTheFamiliesThatWeSpeak) {
    Zone zone;
    zone.has("d.example", RecordType::a, {address("192.0.2.1")});
    zone.has("d.example", RecordType::aaaa, {address("fd00::1")});
    EXPECT_THAT(targets(zone.resolve(question("d.example", 5060), {true, true})), ElementsAre("192.0.2.1:5060", "[fd00::1]:5060"));
    EXPECT_THAT(targets(zone.resolve(question("d.example", 5060), {false, true})), ElementsAre("[fd00::1]:5060"));
    EXPECT_EQ(zone.resolve(question("d.example", 5060), {false, false}).answer().status, NameStatus::absent);
    zone.held.erase({"d.example", RecordType::aaaa});
    EXPECT_EQ(zone.resolve(question("d.example", 5060), {true, true}).ttl(), 100U) << "not that of the family that is not there";
    EXPECT_EQ(zone.resolve(question("d.example", 5060), {false, true}).ttl(), 20U);
}

TEST(Resolution, IsBoundedWhateverTheDnsSays) {
    Zone zone;
    std::vector<DnsRecord> services, many;
    for (std::uint16_t i = 0; i < 40; ++i) services.push_back(srv(i, 0, 5060, "h" + std::to_string(i) + ".example"));
    for (std::uint32_t i = 0; i < 40; ++i) many.push_back({.address = core::IpAddress::v4(0xc0000200 + i)});
    many.insert(many.begin(), {address("0.0.0.0"), address("224.0.0.1")});
    zone.has("_sip._udp.big.example", RecordType::srv, services);
    for (const auto& s : services) zone.has(s.name, RecordType::a, many);
    const auto r = zone.resolve(question("big.example"));
    EXPECT_EQ(r.answer().count, core::NameAnswer::max_targets);
    EXPECT_EQ(targets(r)[0], "192.0.2.0:5060") << "neither nobody nor a group of hosts";
    EXPECT_LE(zone.asked.size(), 10U);
    const std::string long_host =
        std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." + std::string(60, 'd');
    Zone other;
    EXPECT_EQ(other.resolve(question(long_host + ".example")).answer().status, NameStatus::absent);
    EXPECT_THAT(other.asked, ElementsAre("NAPTR " + long_host + ".example", "A " + long_host + ".example")) << "no room for the service";
}

TEST(Resolution, ServersWithTheSameHostAreAskedForOnce) {
    Zone zone;
    zone.has("_sip._udp.x.example", RecordType::srv, {srv(0, 0, 5060, "gw.example"), srv(1, 0, 5070, "gw.example")});
    zone.has("gw.example", RecordType::a, {address("192.0.2.9")});
    EXPECT_THAT(targets(zone.resolve(question("x.example", 0, true))), ElementsAre("192.0.2.9:5060", "192.0.2.9:5070"));
    EXPECT_EQ(zone.asked.size(), 2U);
}

}  // namespace
}  // namespace sipfront::kni
