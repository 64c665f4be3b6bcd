// c-ares against a name server of this test on the loopback interface.
#include "kni/dns_client.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/kni/dns_wire.hpp"

namespace sipfront::kni {
namespace {

class DnsClientTest : public testing::Test {
protected:
    void SetUp() override {
        server_ = ::socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        ASSERT_EQ(::bind(server_, reinterpret_cast<sockaddr*>(&address), length), 0);
        ASSERT_EQ(::getsockname(server_, reinterpret_cast<sockaddr*>(&address), &length), 0);
        auto client = DnsClient::open({.servers = {{core::IpAddress::v4(0x7f000001), ntohs(address.sin_port)}}});
        ASSERT_TRUE(client);
        client_ = std::move(*client);
    }
    void TearDown() override { ::close(server_); }

    static bool readable(int fd) {
        pollfd p{fd, POLLIN, 0};
        return ::poll(&p, 1, 5'000) == 1;
    }
    // Sends `reply` for the next query, with that query's number.
    void answer(Wire reply) {
        std::array<std::uint8_t, 512> query;
        sockaddr_in from{};
        socklen_t length = sizeof from;
        ASSERT_TRUE(readable(server_));
        ASSERT_GT(::recvfrom(server_, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &length), 12);
        std::copy_n(query.begin(), 2, reply.bytes.begin());
        ::sendto(server_, reply.bytes.data(), reply.bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
    DnsReply wait_for_reply() {
        while (!reply_ && readable(client_->fd())) client_->process();
        EXPECT_TRUE(reply_);
        return std::exchange(reply_, {}).value_or(DnsReply{});
    }
    void ask(const char* name, RecordType type) {
        client_->query({name, type}, [this](const DnsReply& r) { reply_ = r; });
    }

    int server_ = -1;
    std::unique_ptr<DnsClient> client_;
    std::optional<DnsReply> reply_;
};

TEST_F(DnsClientTest, BringsARecord) {
    ask("_sip._udp.carrier.example", RecordType::srv);
    auto w = Wire::reply("_sip._udp.carrier.example", RecordType::srv, 1);
    w.record(RecordType::srv, 30, Wire{}.u16(10).u16(60).u16(5070).name("gw1.carrier.example"));
    answer(w);
    const auto r = wait_for_reply();
    EXPECT_EQ(r.status, DnsReply::Status::found);
    ASSERT_EQ(r.records.size(), 1U);
    EXPECT_EQ(r.records[0].name, "gw1.carrier.example");
    EXPECT_EQ(r.ttl, 30U);
}

TEST_F(DnsClientTest, TellsAbsence) {
    ask("no.example", RecordType::a);
    answer(Wire::reply("no.example", RecordType::a, 0, 3));
    EXPECT_EQ(wait_for_reply().status, DnsReply::Status::absent);
    ask("empty.example", RecordType::naptr);
    answer(Wire::reply("empty.example", RecordType::naptr, 0));
    EXPECT_EQ(wait_for_reply().status, DnsReply::Status::absent);
}

TEST_F(DnsClientTest, NobodyIsCalledBackOnceItIsGone) {
    ask("late.example", RecordType::a);
    client_.reset();
    EXPECT_FALSE(reply_);
}

}  // namespace
}  // namespace sipfront::kni
