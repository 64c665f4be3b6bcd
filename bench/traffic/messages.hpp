// Every text of a run, prepared: what clients and hosts send, and what each of them must therefore see. Built once; read only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/traffic/config.hpp"
#include "bench/traffic/template.hpp"

namespace sipfront::traffic {

// A request of a client, and its letter in the branch.
enum class Request : std::uint8_t { invite, ack, bye, registration, registration_auth, count_ };
inline constexpr std::string_view request_letters = "iabrs";

// A response of a host.
enum class Response : std::uint8_t { ringing, answer, bye_ok, challenge, registered, count_ };

// A request is: line, Via, "Max-Forwards: 70", Routes, rest (From to Content-Length), empty line, body.
// A response is: line, Vias, Record-Routes, tail (From to the end).
class Messages {
public:
    explicit Messages(const Config& config);

    // ACK and BYE depend on the host; the others take host 0.
    [[nodiscard]] const Template& line(Request r, std::size_t client, std::size_t host) const noexcept {
        return lines_[in_dialog(r) ? place(r, client, host) : place(r, client, 0)];
    }
    [[nodiscard]] const Template& via(Request r, std::size_t client) const noexcept { return vias_[place(r, client, 0)]; }
    [[nodiscard]] const Template& rest(Request r, std::size_t client, std::size_t host) const noexcept {
        return rests_[in_dialog(r) ? place(r, client, host) : place(r, client, 0)];
    }
    [[nodiscard]] std::string_view body(Request r) const noexcept { return r == Request::invite ? std::string_view{body_} : ""; }
    // The whole of a request that starts a call: line to body.
    [[nodiscard]] const Template& whole(Request r, std::size_t client) const noexcept { return wholes_[place(r, client, 0)]; }
    // From to CSeq, as a proxy's own response repeats them.
    [[nodiscard]] const Template& echo(Request r, std::size_t client) const noexcept { return echoes_[place(r, client, 0)]; }

    // The same in two parts, between which a proxy's final response has the tag of its To: From and To without its line end; Call-ID and
    // CSeq.
    [[nodiscard]] const Template& parties(Request r, std::size_t client) const noexcept { return parties_[place(r, client, 0)]; }
    [[nodiscard]] const Template& ids(Request r, std::size_t client) const noexcept { return ids_[place(r, client, 0)]; }
    // The ACK to such a response: request line and Via, Max-Forwards; Call-ID to the end.
    [[nodiscard]] const Template& refusal_ack_head(std::size_t client) const noexcept { return refusal_ack_heads_[client]; }
    [[nodiscard]] const Template& refusal_ack_tail(std::size_t client) const noexcept { return refusal_ack_tails_[client]; }

    [[nodiscard]] static std::string_view status_line(Response r) noexcept;
    [[nodiscard]] const Template& tail(Response r, std::size_t client, std::size_t host) const noexcept {
        return tails_[(static_cast<std::size_t>(r) * clients_ + client) * hosts_ + host];
    }

    // Ends every branch and every Call-ID's local part: eight digits of the run.
    [[nodiscard]] std::string_view run() const noexcept { return run_; }
    // Longest of all that is sent, without route sets and the proxy's headers.
    [[nodiscard]] std::size_t longest() const noexcept { return longest_; }

    static constexpr std::string_view forwards_sent = "Max-Forwards: 70\r\n";
    static constexpr std::string_view forwards_seen = "Max-Forwards: 69\r\n";

private:
    static bool in_dialog(Request r) noexcept { return r == Request::ack || r == Request::bye; }
    [[nodiscard]] std::size_t place(Request r, std::size_t client, std::size_t host) const noexcept {
        return (static_cast<std::size_t>(r) * clients_ + client) * hosts_ + host;
    }
    void make_client(const Config& config, std::size_t client);
    void make_pair(const Config& config, std::size_t client, std::size_t host);
    [[nodiscard]] std::string head(std::string_view client, std::string_view cseq, std::string_view to) const;

    std::size_t clients_, hosts_;
    std::string run_, target_, body_, answer_;
    std::size_t call_id_bytes_, tag_bytes_;
    std::size_t longest_ = 0;
    std::vector<Template> lines_, vias_, rests_, wholes_, echoes_, parties_, ids_, tails_;
    std::vector<Template> refusal_ack_heads_, refusal_ack_tails_;
};

// The least `invite_bytes` that can be made with these settings.
std::size_t least_invite_bytes(const Config& config);

}  // namespace sipfront::traffic
