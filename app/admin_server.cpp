#include "app/admin_server.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sipfront::app {

namespace {

core::Error failed(const std::string& path, const char* what) {
    return {"admin.socket " + path + ": " + what + ": " + std::strerror(errno) +
            "; give a path in a directory that this user may write to"};
}

}  // namespace

core::Result<std::unique_ptr<AdminServer>> AdminServer::open(const std::string& path, EventLoop& loop, OnRequest on_request) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return core::Error{"admin.socket: give a path of 1 to 107 octets"};
    std::memcpy(address.sun_path, path.data(), path.size());
    // POSIX wants this cast: every socket address is passed as a sockaddr.
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);

    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), ignored);
    if (const Fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}; ::connect(probe.get(), generic, sizeof address) == 0)
        return core::Error{"admin.socket " + path + ": another process answers there; stop it or give this one its own path"};
    if (errno == ECONNREFUSED) ::unlink(path.c_str());

    Fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!listener) return failed(path, "socket");
    const auto mask = ::umask(0117);  // 0660 from the first moment on
    const int bound = ::bind(listener.get(), generic, sizeof address);
    ::umask(mask);
    if (bound != 0) return failed(path, "bind");
    if (::listen(listener.get(), 16) != 0) return failed(path, "listen");

    std::unique_ptr<AdminServer> server{new AdminServer{path, std::move(listener), loop, std::move(on_request)}};
    auto status = loop.watch(server->listener_.get(), EPOLLIN, [s = server.get()](std::uint32_t) { s->accept_all(); });
    if (!status) return status.error();
    return server;
}

AdminServer::AdminServer(std::string path, Fd listener, EventLoop& loop, OnRequest on_request)
    : path_{std::move(path)}, listener_{std::move(listener)}, loop_{loop}, on_request_{std::move(on_request)} {}

AdminServer::~AdminServer() {
    for (const auto& [fd, client] : clients_) loop_.remove(fd);
    loop_.remove(listener_.get());
    ::unlink(path_.c_str());
}

void AdminServer::accept_all() {
    for (;;) {
        Fd connection{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (!connection) return;
        if (clients_.size() < max_clients) serve(std::move(connection));
    }
}

void AdminServer::serve(Fd connection) {
    const int fd = connection.get();
    if (!loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t events) { on_ready(fd, events); })) return;
    clients_[fd].fd = std::move(connection);
}

void AdminServer::drop(int fd) {
    loop_.remove(fd);
    clients_.erase(fd);
}

void AdminServer::on_ready(int fd, std::uint32_t events) {
    auto& c = clients_.at(fd);
    if ((events & EPOLLERR) != 0 || ((events & (EPOLLIN | EPOLLHUP)) != 0 && !c.closing && !read_from(c)) || !write_to(c)) drop(fd);
}

bool AdminServer::read_from(Client& c) {
    std::array<char, 16 * 1024> buffer;
    const auto n = ::recv(c.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    // The answers to what came before the end are still written.
    if (n == 0) c.closing = true;
    c.in.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (auto end = c.in.find('\n'); end != std::string::npos; end = c.in.find('\n', begin)) {
        const auto line = std::string_view{c.in}.substr(begin, end - begin);
        begin = end + 1;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        if (auto answer = on_request_(line); !answer.empty()) c.out.append(answer).push_back('\n');
    }
    c.in.erase(0, begin);
    return c.in.size() <= max_request && c.out.size() <= max_unread;
}

bool AdminServer::write_to(Client& c) {
    while (!c.out.empty()) {
        const auto n = ::send(c.fd.get(), c.out.data(), c.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) return false;
        if (n < 0) break;
        c.out.erase(0, static_cast<std::size_t>(n));
    }
    if (c.out.empty() && c.closing) return false;
    // A client that does not read is not read from either.
    loop_.change(c.fd.get(), c.out.empty() ? EPOLLIN : EPOLLOUT);
    return true;
}

}  // namespace sipfront::app
