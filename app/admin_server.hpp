// The management socket: a Unix stream on which each line is a JSON-RPC request and each answer a line.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "app/event_loop.hpp"
#include "core/result.hpp"

namespace sipfront::app {

// Lives on the loop's thread. Clients are local and few, but not trusted to be quick or brief: a request is bounded, as are
// the number of clients and the answers that one leaves unread.
class AdminServer {
public:
    static constexpr std::size_t max_request = 64 * 1024;
    static constexpr std::size_t max_unread = 16 * 1024 * 1024;
    static constexpr std::size_t max_clients = 32;

    // One request line -> its answer, or an empty string for none.
    using OnRequest = std::function<std::string(std::string_view request)>;

    // Listens at `path` with mode 0660. A socket file that a dead process left is replaced; one that answers is an error.
    // Makes the directory when it is missing. `loop` outlives the server.
    static core::Result<std::unique_ptr<AdminServer>> open(const std::string& path, EventLoop& loop, OnRequest on_request);
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;
    ~AdminServer();

    // Serves an accepted connection; also for tests over a socketpair.
    void serve(Fd connection);
    [[nodiscard]] std::size_t clients() const noexcept { return clients_.size(); }

private:
    struct Client {
        Fd fd;
        std::string in, out;
        bool closing = false;
    };

    AdminServer(std::string path, Fd listener, EventLoop& loop, OnRequest on_request);
    void accept_all();
    void on_ready(int fd, std::uint32_t events);
    // False when the client is done for.
    bool read_from(Client& c);
    bool write_to(Client& c);
    void drop(int fd);

    std::string path_;
    Fd listener_;
    EventLoop& loop_;
    OnRequest on_request_;
    std::unordered_map<int, Client> clients_;
};

}  // namespace sipfront::app
