#include "ha/dialog_row.hpp"

#include <gtest/gtest.h>

namespace sipfront::ha {
namespace {

TEST(SocketText, IsReadAsItWasWritten) {
    for (const std::string text : {"udp:10.77.0.100:5060", "tcp:[fd77::100]:5061", "tls:192.0.2.1:5061"}) {
        const auto s = parse_socket(text);
        ASSERT_TRUE(s) << text;
        EXPECT_EQ(to_text(*s), text);
    }
}

TEST(SocketText, AnythingElseIsNone) {
    for (const std::string_view text :
         {"", "udp", "udp:", "udp:10.77.0.100", "sctp:10.77.0.100:5060", "udp:host:5060", "udp10.77.0.100:5060"})
        EXPECT_FALSE(parse_socket(text)) << text;
}

}  // namespace
}  // namespace sipfront::ha
