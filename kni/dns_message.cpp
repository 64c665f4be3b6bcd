#include "kni/dns_message.hpp"

#include <algorithm>
#include <optional>

namespace sipfront::kni {
namespace {

constexpr std::size_t most_records = 64, most_aliases = 8, longest_name = 255;
constexpr std::uint32_t negative_ttl_unknown = 5;  // no SOA in the reply
enum ResponseCode : std::uint8_t { no_error = 0, no_such_name = 3 };

// Reads on and on; past the end everything is zero and `ok` false.
class Reader {
public:
    explicit Reader(std::span<const std::uint8_t> message) : message_{message} {}

    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] std::size_t at() const { return at_; }
    void go_to(std::size_t at) {
        at_ = at;
        if (at > message_.size()) ok_ = false;
    }
    std::uint8_t u8() {
        if (at_ >= message_.size()) return ok_ = false, std::uint8_t{0};
        return message_[at_++];
    }
    std::uint16_t u16() {
        const auto high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    std::span<const std::uint8_t> octets(std::size_t n) {
        if (n > message_.size() - std::min(at_, message_.size())) return ok_ = false, std::span<const std::uint8_t>{};
        at_ += n;
        return message_.subspan(at_ - n, n);
    }
    std::string text() {
        const auto bytes = octets(u8());
        return {bytes.begin(), bytes.end()};
    }
    // nullopt: not a name that we could ask for, though the message may go on behind it.
    std::optional<std::string> name() {
        std::string all;
        std::size_t end = 0;  // behind the first pointer
        bool sound = true;
        for (int jumps = 0; ok_;) {
            const auto length = u8();
            if (length == 0) break;
            if ((length & 0xc0) == 0xc0) {
                const auto target = static_cast<std::size_t>((length & 0x3f) << 8 | u8());
                if (end == 0) end = at_;
                // Only backwards and not for ever: a pointer may lead to itself.
                if (++jumps > 64 || target >= message_.size()) return ok_ = false, std::nullopt;
                at_ = target;
                continue;
            }
            if ((length & 0xc0) != 0) return ok_ = false, std::nullopt;
            if (!all.empty()) all += '.';
            for (const auto byte : octets(length)) {
                const auto c = static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
                sound = sound && c > ' ' && c < 127 && c != '.';
                all += c;
            }
            if (all.size() > longest_name) return ok_ = false, std::nullopt;
        }
        if (end != 0) at_ = end;
        return ok_ && sound ? std::optional{std::move(all)} : std::nullopt;
    }

private:
    std::span<const std::uint8_t> message_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

struct Answer {
    std::string owner;
    RecordType type;
    std::uint32_t ttl;
    DnsRecord record;
};

bool read_data(Reader& r, RecordType type, std::size_t length, DnsRecord& record) {
    const auto named = [&] {
        auto name = r.name();
        if (name) record.name = std::move(*name);
        return name.has_value();
    };
    switch (type) {
        case RecordType::a:
            if (length != 4) return false;
            record.address = core::IpAddress::v4(r.u32());
            return true;
        case RecordType::aaaa:
            if (const auto bytes = r.octets(length); bytes.size() == 16) {
                record.address = core::IpAddress::v6(bytes.first<16>());
                return true;
            }
            return false;
        case RecordType::srv:
            record.first = r.u16();
            record.second = r.u16();
            record.port = r.u16();
            return named();
        case RecordType::naptr:
            record.first = r.u16();
            record.second = r.u16();
            record.flags = r.text();
            record.services = r.text();
            record.has_expression = !r.text().empty();
            return named();
        case RecordType::cname:
            return named();
        default:
            return false;
    }
}

// One record behind its owner's name; nullopt when it is of no use. The reader stands behind it then.
std::optional<Answer> read_record(Reader& r) {
    constexpr std::uint16_t internet = 1;
    auto owner = r.name();
    const auto type = static_cast<RecordType>(r.u16());
    const auto klass = r.u16();
    const auto ttl = r.u32();
    const std::size_t length = r.u16(), begin = r.at();
    std::optional<Answer> answer;
    if (r.ok() && owner && klass == internet) {
        answer.emplace(Answer{std::move(*owner), type, ttl, {}});
        if (type == RecordType::soa) {
            // RFC 2308 §5: the lesser of the record's TTL and its last number.
            r.go_to(begin + length - std::min<std::size_t>(length, 4));
            answer->ttl = std::min(ttl, r.u32());
        } else if (!read_data(r, type, length, answer->record) || !r.ok() || r.at() > begin + length) {
            answer.reset();
        }
    }
    r.go_to(begin + length);
    return answer;
}

}  // namespace

DnsReply decode_reply(std::span<const std::uint8_t> message, std::string_view name, RecordType type) {
    Reader r{message};
    r.octets(3);
    const auto code = r.u8() & 0xf;
    const auto questions = r.u16(), answers = r.u16(), authorities = r.u16();
    r.u16();
    DnsReply reply;
    if (!r.ok() || (code != no_error && code != no_such_name)) return reply;
    for (int i = 0; i < questions && r.ok(); ++i) {
        r.name();
        r.u32();
    }
    std::vector<Answer> all;
    for (int i = 0; i < answers && r.ok(); ++i)
        if (auto one = read_record(r); one && all.size() < most_records) all.push_back(std::move(*one));
    if (!r.ok()) return reply;

    std::string owner{name};
    std::uint32_t ttl = 0xffff'ffff;
    for (std::size_t i = 0; i < most_aliases; ++i) {
        const auto alias =
            std::find_if(all.begin(), all.end(), [&](const Answer& a) { return a.type == RecordType::cname && a.owner == owner; });
        if (alias == all.end()) break;
        owner = alias->record.name;
        ttl = std::min(ttl, alias->ttl);
    }
    for (auto& a : all) {
        if (a.type != type || a.owner != owner) continue;
        ttl = std::min(ttl, a.ttl);
        reply.records.push_back(std::move(a.record));
    }
    if (!reply.records.empty()) {
        reply.status = DnsReply::Status::found;
    } else {
        reply.status = DnsReply::Status::absent;
        auto negative = negative_ttl_unknown;
        for (int i = 0; i < authorities && r.ok(); ++i)
            if (const auto one = read_record(r); one && one->type == RecordType::soa) negative = one->ttl;
        ttl = std::min(ttl, negative);
    }
    reply.ttl = ttl;
    return reply;
}

}  // namespace sipfront::kni
