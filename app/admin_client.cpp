#include "app/admin_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace sipfront::app {

namespace {

CallFailure unreachable(const std::string& socket, const std::string& why) {
    return {true, {0, "cannot reach sipfrontd at " + socket + ": " + why}};
}

std::string advice(int error) {
    std::string what = std::strerror(error);
    switch (error) {
        case ENOENT:
            return what + "; is the daemon running, and is admin.socket this path? (--socket)";
        case ECONNREFUSED:
            return what + "; the daemon has gone and left its socket";
        case EACCES:
            return what + "; only the socket's owner and group may use it: join the group, or use sudo";
        default:
            return what;
    }
}

// Everything up to the line end, or an empty string with `why` set.
std::string read_line(int fd, std::chrono::milliseconds timeout, std::string& why) {
    std::string line;
    std::array<char, 16 * 1024> buffer;
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (line.find('\n') == std::string::npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd ready{fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0) return why = "no answer in time", std::string{};
        const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return why = std::strerror(errno), std::string{};
        if (n == 0) return why = "it closed the connection", std::string{};
        line.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return line;
}

// Columns as wide as their widest cell; numbers to the right.
std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> width(head.size());
    std::ranges::transform(head, width.begin(), &std::string::size);
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    std::string out;
    const auto line = [&](const std::vector<std::string>& cells) {
        std::string text;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const bool number = !cells[i].empty() && cells[i].find_first_not_of("0123456789%/") == std::string::npos;
            const std::string gap(width[i] - cells[i].size(), ' ');
            text += (i > 0 ? "  " : "") + (number ? gap + cells[i] : cells[i] + gap);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out += text + '\n';
    };
    line(head);
    for (const auto& row : rows) line(row);
    return out;
}

std::string text_of(const Json& v) { return v.is_string() ? v.get<std::string>() : v.dump(); }
std::string cell(const Json& row, const char* key) { return row.contains(key) ? text_of(row.at(key)) : std::string{}; }

std::string present_lb(const Json& result) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& d : result.value("Destinations", Json::array())) {
        std::string load;
        for (const auto& r : d.value("Resources", Json::array()))
            load += (load.empty() ? "" : " ") + cell(r, "name") + '=' + cell(r, "load") + '/' + cell(r, "max");
        rows.push_back({cell(d, "id"), cell(d, "group"), cell(d, "uri"), cell(d, "state") + (d.value("full", false) ? " full" : ""), load,
                        cell(d, "picks"), cell(d, "description")});
    }
    return table({"ID", "GROUP", "URI", "STATE", "LOAD", "PICKS", "DESCRIPTION"}, rows);
}

std::string present_ds(const Json& result) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& partition : result.value("PARTITIONS", Json::array()))
        for (const auto& set : partition.value("SETS", Json::array()))
            for (const auto& d : set.value("Destinations", Json::array()))
                rows.push_back({cell(set, "id"), cell(d, "URI"), cell(d, "state") + (d.value("full", false) ? " full" : ""),
                                cell(d, "weight"), cell(d, "priority"), cell(d, "first_hit_counter"), cell(d, "description")});
    return table({"SET", "URI", "STATE", "WEIGHT", "PRIORITY", "PICKS", "DESCRIPTION"}, rows);
}

std::string present_ports(const Json& result) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& p : result.value("Ports", Json::array()))
        rows.push_back({cell(p, "device"), p.value("active", false) ? "active" : "standby",
                        p.value("silent", false)    ? "up, no answers"
                        : p.value("carrier", false) ? "up"
                                                    : "down"});
    return table({"DEVICE", "ROLE", "LINK"}, rows);
}

std::string present_threads(const Json& result) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& p : result.value("Processes", Json::array())) {
        const auto cycles = p.value("cycles", 0.0);
        const auto busy = cycles > 0 ? std::to_string(static_cast<int>(100 * p.value("busy_cycles", 0.0) / cycles)) + '%' : std::string{};
        rows.push_back({cell(p, "ID"), cell(p, "Type"), cell(p, "CPU"), busy});
    }
    return table({"ID", "THREAD", "CPU", "BUSY"}, rows);
}

std::string percent(const Json& o, const char* key) {
    // Not rounded up: 100 % means that all of it.
    return std::to_string(static_cast<int>(100 * o.value(key, 0.0))) + '%';
}

std::string present_overload(const Json& result) {
    std::vector<std::vector<std::string>> rows, methods;
    for (const auto& w : result.value("Workers", Json::array())) {
        auto seconds = std::to_string(w.value("standing_seconds", 0.0));
        seconds.resize(seconds.size() - 3);
        rows.push_back({cell(w, "ID"), w.value("engaged", false) ? "overloaded" : "normal", percent(w, "admission_share"),
                        percent(w, "standing_share"), seconds, cell(w, "episodes")});
    }
    auto text = table({"WORKER", "STATE", "ADMITS", "QUEUE STANDS", "SECONDS IN ALL", "EPISODES"}, rows);
    const auto requests = result.value("Requests", Json::object());
    for (const auto& [method, n] : requests.items()) methods.push_back({method, cell(n, "admitted"), cell(n, "rejected")});
    return methods.empty() ? text : text + '\n' + table({"METHOD", "ADMITTED", "REJECTED"}, methods);
}

std::string present_status(const Json& s) {
    const auto share = [&](const char* key) {
        const auto part = s.value(key, Json::object());
        return cell(part, "usable") + " of " + cell(part, "destinations") + " usable";
    };
    return "version         " + cell(s, "version") + "\nuptime          " + cell(s, "uptime") + " s\nworkers         " +
           cell(s, "workers") + "\nstate           " +
           (s.value("draining", false)     ? "draining"
            : s.value("overloaded", false) ? "overloaded"
                                           : "running") +
           "\ntransactions    " + cell(s, "transactions") + "\ndialogs         " + cell(s, "dialogs") + " (" + cell(s, "early_dialogs") +
           " ringing)\nload_balancer   " + share("load_balancer") + "\ndispatcher      " + share("dispatcher") + '\n';
}

}  // namespace

core::Result<Json, CallFailure> call_daemon(const std::string& socket, const std::string& method, const Json& params,
                                            std::chrono::milliseconds timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.empty() || socket.size() >= sizeof address.sun_path) return unreachable(socket, "not a path that a socket can have");
    std::memcpy(address.sun_path, socket.data(), socket.size());
    const Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return unreachable(socket, advice(errno));

    auto request =
        Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}}.dump(-1, ' ', false, Json::error_handler_t::replace) +
        '\n';
    for (std::string_view rest = request; !rest.empty();) {
        const auto n = ::send(fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return unreachable(socket, advice(errno));
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    std::string why;
    const auto line = read_line(fd.get(), timeout, why);
    if (line.empty()) return unreachable(socket, why);
    auto response = Json::parse(line, nullptr, false);
    if (!response.is_object() || (!response.contains("result") && !response["error"].is_object()))
        return unreachable(socket, "what answers is no sipfrontd");
    if (response.contains("result")) return response["result"];
    const auto& e = response["error"];
    return CallFailure{false, {e["code"].is_number_integer() ? e["code"].get<int>() : 0, cell(e, "message")}};
}

std::string present(const std::string& method, const Json& result) {
    if (method == "lb_list" || method == "load_balancer:list") return present_lb(result);
    if (method == "ds_list" || method == "dispatcher:list") return present_ds(result);
    if (method == "ports") return present_ports(result);
    if (method == "ps") return present_threads(result);
    if (method == "overload") return present_overload(result);
    if (method == "status") return present_status(result);
    if (result.is_string()) return result.get<std::string>() + '\n';
    return result.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace sipfront::app
