#include "app/admin_server.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sipfront::app {
namespace {

using ::testing::HasSubstr;

class AdminServerTest : public ::testing::Test {
protected:
    AdminServerTest() {
        std::string name = (std::filesystem::temp_directory_path() / "sipfront-admin-XXXXXX").string();
        directory_ = ::mkdtemp(name.data());
        path_ = directory_ + "/deep/er/admin.sock";
        loop_ = std::move(*EventLoop::create());
        open();
    }
    ~AdminServerTest() override {
        server_.reset();
        std::filesystem::remove_all(directory_);
    }
    void open() {
        auto server = AdminServer::open(path_, *loop_, [](std::string_view request) {
            return request == "quiet" ? std::string{} : "answer to " + std::string{request.substr(0, 20)} + std::string(answer_size_, '.');
        });
        ASSERT_TRUE(server) << server.error().what;
        server_ = std::move(*server);
    }
    // One end of a connection that the server serves.
    Fd client() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        server_->serve(Fd{ends[1]});
        return Fd{ends[0]};
    }
    void turn(int times = 4) {
        for (int i = 0; i < times; ++i) loop_->run_once(0);
    }
    static void write(const Fd& fd, std::string_view text) {
        ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    static std::string read(const Fd& fd) {
        std::string all(1 << 20, '\0');
        const auto n = ::recv(fd.get(), all.data(), all.size(), 0);
        all.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return all;
    }
    static bool is_closed(const Fd& fd) {
        char c = 0;
        const auto n = ::recv(fd.get(), &c, 1, MSG_PEEK);
        return n == 0 || (n < 0 && errno == ECONNRESET);
    }

    inline static std::size_t answer_size_ = 0;
    std::string directory_, path_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, EachLineIsARequestHoweverItArrives) {
    const auto c = client();
    write(c, "one\ntw");
    turn();
    EXPECT_EQ(read(c), "answer to one\n");
    write(c, "o\n\r\n\nquiet\nthree\r\n");
    turn();
    EXPECT_EQ(read(c), "answer to two\nanswer to three\r\n");
}

TEST_F(AdminServerTest, AnswersBeforeItClosesBehindAClientThatStoppedWriting) {
    const auto c = client();
    write(c, "last\n");
    ::shutdown(c.get(), SHUT_WR);
    turn();
    EXPECT_EQ(read(c), "answer to last\n");
    EXPECT_TRUE(is_closed(c));
    EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(AdminServerTest, TooLongARequestEndsTheConnection) {
    const auto c = client();
    const std::string piece(8192, 'x');
    for (std::size_t sent = 0; sent <= AdminServer::max_request && server_->clients() == 1; sent += piece.size()) {
        write(c, piece);
        turn(1);
    }
    turn();
    EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(AdminServerTest, AClientThatDoesNotReadIsNotReadFrom) {
    answer_size_ = 100'000;
    const auto c = client();
    std::string many;
    for (int i = 0; i < 40; ++i) many += "request\n";
    write(c, many);
    turn(20);
    write(c, many);
    turn(20);
    EXPECT_EQ(server_->clients(), 1U);
    std::string all;
    for (int i = 0; i < 1000; ++i) {
        turn(1);
        all += read(c);
    }
    EXPECT_EQ(all.size(), 80 * (std::string_view{"answer to request\n"}.size() + answer_size_));
    answer_size_ = 0;
}

TEST_F(AdminServerTest, SocketIsForOwnerAndGroup) {
    struct stat s {};
    ASSERT_EQ(::stat(path_.c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 0777U, 0660U);
}

TEST_F(AdminServerTest, AnswersThroughTheFilesystem) {
    const Fd c{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(c.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    write(c, "hello\n");
    turn();
    EXPECT_EQ(read(c), "answer to hello\n");
}

TEST_F(AdminServerTest, TwoDaemonsDoNotShareASocketAndAStaleOneIsReplaced) {
    const auto second = AdminServer::open(path_, *loop_, [](std::string_view) { return std::string{}; });
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().what, HasSubstr("another process"));

    // What a crash leaves: the file, and nobody behind it.
    const auto stale = path_ + "2";
    {
        const Fd dead{::socket(AF_UNIX, SOCK_STREAM, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        stale.copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    EXPECT_TRUE(AdminServer::open(stale, *loop_, [](std::string_view) { return std::string{}; }));
}

TEST_F(AdminServerTest, RemovesItsSocketWhenItGoes) {
    server_.reset();
    EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace sipfront::app
