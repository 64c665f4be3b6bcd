#include "app/admin_client.hpp"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/admin_commands.hpp"
#include "app/admin_server.hpp"
#include "tests/unit/app/fake_daemon.hpp"

namespace sipfront::app {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(AdminClient, SaysThatNoDaemonIsThere) {
    const auto r = call_daemon("/nonexistent/sipfront.sock", "status", nullptr, 1s);
    ASSERT_FALSE(r);
    EXPECT_TRUE(r.error().unreachable);
    EXPECT_THAT(r.error().error.message, HasSubstr("is the daemon running"));
}

TEST(AdminClient, CallsADaemon) {
    std::string directory = (std::filesystem::temp_directory_path() / "sipfront-client-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    FakeDaemon daemon;
    CommandTable commands;
    add_admin_commands(commands, daemon);
    auto loop = std::move(*EventLoop::create());
    auto server = AdminServer::open(directory + "/s", *loop, [&](std::string_view request) { return commands.handle(request); });
    ASSERT_TRUE(server) << server.error().what;
    std::atomic<bool> stop{false};
    std::thread serving{[&] {
        while (!stop) loop->run_once(1);
    }};
    const auto list = call_daemon(directory + "/s", "lb_list", Json::array(), 10s);
    const auto wrong = call_daemon(directory + "/s", "lb_status", positional("99"), 10s);
    stop = true;
    serving.join();
    server->reset();
    std::filesystem::remove_all(directory);
    ASSERT_TRUE(list) << list.error().error.message;
    EXPECT_EQ((*list)["Destinations"].size(), 2U);
    ASSERT_FALSE(wrong);
    EXPECT_FALSE(wrong.error().unreachable);
    EXPECT_EQ(wrong.error().error.code, 404);
}

TEST(AdminClient, PresentsTables) {
    FakeDaemon daemon;
    CommandTable commands;
    add_admin_commands(commands, daemon);
    const auto shown = [&](const std::string& method) { return present(method, *commands.run(method, Json::array())); };
    EXPECT_EQ(shown("lb_list"),
              "ID  GROUP  URI                   STATE   LOAD       PICKS  DESCRIPTION\n"
              " 1      1  sip:10.77.0.103:5060  active  pstn=0/32      0  FS1\n"
              " 2      1  sip:10.77.0.104:5060  active  pstn=0/16      0  FS2\n");
    EXPECT_THAT(shown("ds_list"), HasSubstr("sip:10.77.0.103:5060"));
    EXPECT_THAT(shown("ports"), HasSubstr("net_b   standby  up, no answers\n"));
    EXPECT_THAT(shown("status"), HasSubstr("load_balancer   2 of 2 usable\n"));
    for (auto& s : daemon.stats) s.overload.share.set(balancer::admit_all);
    daemon.stats[1].overload.share.set(balancer::admit_all / 3);
    daemon.stats[1].overload.engaged.set(1);
    daemon.stats[1].overload.standing_time.set(1'250'000'000);
    daemon.stats[1].overload.rejected[sip::Method::invite].add(7);
    EXPECT_EQ(shown("overload"),
              "WORKER  STATE       ADMITS  QUEUE STANDS  SECONDS IN ALL  EPISODES\n"
              "     0  normal        100%            0%  0.000                  0\n"
              "     1  overloaded     33%            0%  1.250                  0\n"
              "\n"
              "METHOD  ADMITTED  REJECTED\n"
              "INVITE         0         7\n");
    EXPECT_THAT(shown("status"), HasSubstr("state           overloaded\n"));
    EXPECT_THAT(shown("ps"), HasSubstr("control"));
    EXPECT_EQ(shown("drain"), "OK\n");
    EXPECT_THAT(shown("version"), HasSubstr("\"Server\": \"sipfront (0.1.0)\""));
}

}  // namespace
}  // namespace sipfront::app
