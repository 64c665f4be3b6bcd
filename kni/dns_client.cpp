#include "kni/dns_client.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <ares.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace sipfront::kni {
namespace {

struct Pending {
    DnsQuery query;
    DnsTransport::OnReply on_reply;
};

// c-ares tells "no such name" and "no such record" from failures by the same reply that we decode.
void on_done(void* arg, int status, int, unsigned char* reply, int length) {
    const std::unique_ptr<Pending> pending{static_cast<Pending*>(arg)};
    if (status == ARES_EDESTRUCTION) return;
    const bool answered = status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
    DnsReply decoded;
    if (answered && reply != nullptr && length > 0)
        decoded = decode_reply({reply, static_cast<std::size_t>(length)}, pending->query.name, pending->query.type);
    pending->on_reply(decoded);
}

core::Error failed(const char* what, int status) { return {std::string{what} + ": " + ares_strerror(status)}; }

}  // namespace

core::Result<std::unique_ptr<DnsClient>> DnsClient::open(const ResolverConfig& config) {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) return failed("c-ares", library);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return core::Error{std::string{"epoll_create1: "} + std::strerror(errno)};
    std::unique_ptr<DnsClient> client{new DnsClient{epoll}};

    ares_options options{};
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout = static_cast<int>(config.timeout.count());
    options.tries = config.tries;
    char lookups[] = "b";  // the DNS alone
    options.lookups = lookups;
    options.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
        static_cast<DnsClient*>(self)->follow(socket, readable != 0, writable != 0);
    };
    options.sock_state_cb_data = client.get();
    constexpr int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (const int s = ares_init_options(&client->channel_, &options, mask); s != ARES_SUCCESS) return failed("c-ares", s);
    if (!config.servers.empty()) {
        std::string list;
        for (const auto& server : config.servers) list += (list.empty() ? "" : ",") + server.to_string();
        if (const int s = ares_set_servers_ports_csv(client->channel_, list.c_str()); s != ARES_SUCCESS)
            return failed("resolver.servers", s);
    }
    return client;
}

DnsClient::~DnsClient() {
    if (channel_ != nullptr) ares_destroy(channel_);
    ::close(epoll_);
}

void DnsClient::follow(int socket, bool readable, bool writable) noexcept {
    epoll_event event{};
    event.events = (readable ? std::uint32_t{EPOLLIN} : 0U) | (writable ? std::uint32_t{EPOLLOUT} : 0U);
    event.data.fd = socket;
    if (event.events == 0) {
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
    } else if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) != 0) {
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
    }
}

void DnsClient::process() {
    std::array<epoll_event, 16> ready;
    const int n = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), 0);
    for (int i = 0; i < n; ++i) {
        const auto& e = ready[static_cast<std::size_t>(i)];
        const bool in = (e.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0, out = (e.events & EPOLLOUT) != 0;
        ares_process_fd(channel_, in ? e.data.fd : ARES_SOCKET_BAD, out ? e.data.fd : ARES_SOCKET_BAD);
    }
}

void DnsClient::tick() { ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD); }

void DnsClient::query(const DnsQuery& query, OnReply on_reply) {
    constexpr int internet = 1;
    auto pending = std::make_unique<Pending>(Pending{query, std::move(on_reply)});
    const auto* name = pending->query.name.c_str();
    auto* arg = pending.release();  // on_done() owns it
    ares_query(channel_, name, internet, static_cast<int>(query.type), on_done, arg);
}

}  // namespace sipfront::kni
