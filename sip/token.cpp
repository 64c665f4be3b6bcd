#include "sip/token.hpp"

#include <algorithm>
#include <cstring>

#include <smmintrin.h>

#include "core/hash.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

// Twelve octets, of the sixteen that are loaded, to sixteen characters and back (W. Mula, D. Lemire, "Base64 encoding and
// decoding at almost the speed of a memory copy", 2019), with the alphabet of RFC 4648 §5.
constexpr std::size_t block_octets = 12, block_chars = 16;

__m128i encode_block(__m128i octets) noexcept {
    const auto spread = _mm_shuffle_epi8(octets, _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    const auto high = _mm_mulhi_epu16(_mm_and_si128(spread, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
    const auto low = _mm_mullo_epi16(_mm_and_si128(spread, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
    const auto values = _mm_or_si128(high, low);
    // One class a range of the alphabet; each adds its own distance from value to character.
    auto classes = _mm_subs_epu8(values, _mm_set1_epi8(51));
    classes = _mm_or_si128(classes, _mm_and_si128(_mm_cmplt_epi8(values, _mm_set1_epi8(26)), _mm_set1_epi8(13)));
    constexpr char lower = 'a' - 26, digit = '0' - 52, dash = '-' - 62, underscore = '_' - 63;
    const auto distances =
        _mm_setr_epi8(lower, digit, digit, digit, digit, digit, digit, digit, digit, digit, digit, dash, underscore, 'A', 0, 0);
    return _mm_add_epi8(values, _mm_shuffle_epi8(distances, classes));
}

// False when a character is foreign. The rows of the alphabet are the characters' high nibbles: 2 has '-', 3 digits, 4 and 5
// upper case and '_', 6 and 7 lower case. A character is foreign when the entries of its two nibbles share a bit.
bool decode_block(__m128i text, __m128i& octets) noexcept {
    const auto nibble = _mm_set1_epi8(0x0f);
    const auto high = _mm_and_si128(_mm_srli_epi16(text, 4), nibble);
    const auto low = _mm_and_si128(text, nibble);
    // 1: rows without any, 2: row 2, 4: row 3, 8: rows 4 and 6, 16: row 5, 32: row 7
    const auto by_high = _mm_setr_epi8(1, 1, 2, 4, 8, 16, 8, 32, 1, 1, 1, 1, 1, 1, 1, 1);
    constexpr char all = 1 | 2, odd = all | 4 | 16 | 32;
    const auto by_low = _mm_setr_epi8(all | 8, all, all, all, all, all, all, all, all, all, all | 4, odd, odd, odd & ~2, odd, odd & ~16);
    const auto shared = _mm_and_si128(_mm_shuffle_epi8(by_high, high), _mm_shuffle_epi8(by_low, low));
    if (_mm_testz_si128(shared, shared) == 0) return false;
    const auto underscore = _mm_cmpeq_epi8(text, _mm_set1_epi8('_'));
    const auto row = _mm_or_si128(high, _mm_and_si128(underscore, _mm_set1_epi8(8)));  // of its own: 13
    const auto distance =
        _mm_shuffle_epi8(_mm_setr_epi8(0, 0, 62 - '-', 52 - '0', -'A', -'A', 26 - 'a', 26 - 'a', 0, 0, 0, 0, 0, 63 - '_', 0, 0), row);
    const auto values = _mm_add_epi8(text, distance);
    const auto pairs = _mm_maddubs_epi16(values, _mm_set1_epi32(0x01400140));
    const auto triples = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
    octets = _mm_shuffle_epi8(triples, _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    return true;
}

__m128i load(const void* p) noexcept { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
void store(void* p, __m128i v) noexcept { _mm_storeu_si128(static_cast<__m128i*>(p), v); }

// Appends fields to a token's octets, or takes them off again.
class Writer {
public:
    explicit Writer(std::uint8_t* out) noexcept : out_{out} {}
    template <class T>
    void put(T v) noexcept {
        std::memcpy(out_ + length_, &v, sizeof v);
        length_ += sizeof v;
    }
    void put(const core::Endpoint& e) noexcept {
        const auto b = e.address.bytes();
        std::memcpy(out_ + length_, b.data(), b.size());
        length_ += b.size();
        put(e.port);
    }
    [[nodiscard]] std::size_t length() const noexcept { return length_; }

private:
    std::uint8_t* out_;
    std::size_t length_ = 0;
};

class Reader {
public:
    Reader(const std::uint8_t* in, std::size_t n) noexcept : in_{in}, left_{n} {}
    template <class T>
    T get() noexcept {
        T v{};
        if (left_ < sizeof v) return failed_ = true, v;
        std::memcpy(&v, in_, sizeof v);
        in_ += sizeof v;
        left_ -= sizeof v;
        return v;
    }
    void get(core::Endpoint& e, bool v6) noexcept {
        const std::size_t length = v6 ? 16 : 4;
        if (left_ < length) {
            failed_ = true;
            return;
        }
        if (v6) {
            e.address = core::IpAddress::v6(std::span<const std::uint8_t, 16>{in_, 16});
        } else {
            std::uint32_t address;
            std::memcpy(&address, in_, sizeof address);
            e.address = core::IpAddress::v4(__builtin_bswap32(address));
        }
        in_ += length;
        left_ -= length;
        e.port = get<std::uint16_t>();
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    const std::uint8_t* in_;
    std::size_t left_;
    bool failed_ = false;
};

std::string_view as_text(const void* p, std::size_t n) noexcept { return {static_cast<const char*>(p), n}; }

// The 24 octets of a branch, least significant first: key id, node, kind and attempt, worker, handle, loop hash; MAC.
struct BranchWords {
    std::uint64_t maker;  // up to the handle's index
    std::uint64_t rest;   // its generation and the loop hash
    std::uint64_t mac;
};
constexpr std::size_t branch_chars = 2 * block_chars;
static_assert(sizeof(BranchWords) == 2 * block_octets);

// Over words alone: whatever is longer has been hashed before.
std::uint64_t branch_mac(const BranchWords& w, const BranchBinding& b, const core::Key& key) noexcept {
    core::SipHasher24 h{key.branch};
    h.update_u64(w.maker);
    h.update_u64(w.rest);
    h.update_u64(b.call.digest(key));
    h.update_u64(b.client);
    h.update(as_text(&b.cseq, sizeof b.cseq));
    return h.finish();
}

bool read_branch_words(std::string_view branch, BranchWords& w) noexcept {
    if (branch.size() != magic_cookie.size() + branch_chars || !has_magic_cookie(branch)) return false;
    const char* text = branch.data() + magic_cookie.size();
    auto first = load(text), second = load(text + block_chars);
    if (!decode_block(first, first) || !decode_block(second, second)) return false;
    const auto low = [](__m128i v) { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(v)); };
    const auto behind = low(second);
    w.maker = low(first);
    w.rest = low(_mm_srli_si128(first, 8)) | (behind << 32);
    w.mac = (behind >> 32) | (low(_mm_srli_si128(second, 8)) << 32);
    return true;
}

enum CookieFlag : std::uint8_t { caller_in_cluster = 1, host_v6 = 2, client_v6 = 4, symmetric_flow = 8 };

constexpr std::size_t cookie_head = 3 + 8;  // key id, node, flags; handle
// Of the octets that the MAC covers. It follows from the flags, so that what is hashed has one meaning, wherever the tag begins.
constexpr std::size_t cookie_payload(unsigned flags) noexcept {
    const auto endpoint = [flags](CookieFlag v6) { return std::size_t{(flags & v6) != 0 ? 18U : 6U}; };
    return cookie_head + endpoint(host_v6) + endpoint(client_v6) + (flags >> 6 != 0 ? sizeof(std::uint32_t) : 0);
}

std::uint64_t cookie_mac(const std::uint8_t* payload, std::size_t n, const CallIdentity& call, std::string_view caller_tag,
                         const core::Key& key) noexcept {
    core::SipHasher24 h{key.cookie};
    h.update_u64(call.digest(key));
    h.update_padded(as_text(payload, n));
    h.update(caller_tag);
    return h.finish();
}

std::uint64_t flow_mac(const std::uint8_t* payload, std::size_t n, const core::Key& key) noexcept {
    core::SipHasher24 h{key.mac};
    h.update("flow-tok");  // no branch and no cookie hashes as one of these
    h.update(as_text(payload, n));
    return h.finish();
}

// Octets that move the last `n` of sixteen characters to the front, from entry n on, and fill up with 'A', from entry 16 - n on.
constexpr auto slide = [] {
    std::array<std::uint8_t, 2 * block_chars> t{};
    for (std::size_t i = 0; i < t.size(); ++i) t[i] = i < block_chars ? static_cast<std::uint8_t>(i) : 0x80;
    return t;
}();
constexpr auto fill = [] {
    std::array<char, 2 * block_chars> t{};
    for (std::size_t i = block_chars; i < t.size(); ++i) t[i] = 'A';
    return t;
}();

// The last 1 to 16 characters before `end`, of a text of sixteen or more.
__m128i load_last(const char* end, std::size_t n) noexcept {
    const auto moved = _mm_shuffle_epi8(load(end - block_chars), load(slide.data() + block_chars - n));
    return _mm_or_si128(moved, load(fill.data() + block_chars - n));
}

}  // namespace

std::size_t base64url_encode(const std::uint8_t* in, std::size_t n, char* out) noexcept {
    char* o = out;
    for (; n >= block_chars; n -= block_octets, in += block_octets, o += block_chars) store(o, encode_block(load(in)));
    while (n > 0) {
        // Not to read or write beyond either end.
        const auto octets = std::min(n, block_octets);
        const auto chars = (octets * 4 + 2) / 3;
        alignas(16) std::array<std::uint8_t, block_chars> padded{};
        std::memcpy(padded.data(), in, octets);
        store(padded.data(), encode_block(load(padded.data())));
        std::memcpy(o, padded.data(), chars);
        in += octets;
        n -= octets;
        o += chars;
    }
    return static_cast<std::size_t>(o - out);
}

std::size_t base64url_decode(std::string_view in, std::uint8_t* out, std::size_t room) noexcept {
    const std::size_t octets = in.size() * 3 / 4;
    if (octets > room || in.size() % 4 == 1) return 0;
    const char* at = in.data();
    const char* const end = at + in.size();
    std::size_t done = 0;
    for (; end - at >= static_cast<std::ptrdiff_t>(block_chars) && room - done >= block_chars; at += block_chars, done += block_octets) {
        auto text = load(at);
        if (!decode_block(text, text)) return 0;
        store(out + done, text);
    }
    // What is left, and what whole stores would write beyond the room for.
    const bool is_long = in.size() >= block_chars;
    while (done < octets) {
        alignas(16) std::array<char, block_chars> block;
        const auto chars = std::min(static_cast<std::size_t>(end - at), block_chars);
        auto text = _mm_set1_epi8('A');
        if (is_long) [[likely]] {
            text = load_last(at + chars, chars);
        } else {
            store(block.data(), text);
            std::memcpy(block.data(), at, chars);
            text = load(block.data());
        }
        if (!decode_block(text, text)) return 0;
        if (room - done >= block_chars) [[likely]] {
            store(out + done, text);
        } else {
            store(block.data(), text);
            std::memcpy(out + done, block.data(), std::min(octets - done, block_octets));
        }
        at += chars;
        done += block_octets;
    }
    return octets;
}

BranchText make_branch(Branch& b, const BranchBinding& binding, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    const auto at = [](auto v, unsigned octet) { return std::uint64_t{v} << (8 * octet); };
    BranchWords w;
    w.maker = at(key.id, 0) | at(core::raw(b.node), 1) | at(static_cast<std::uint8_t>(b.kind), 2) << 4 | at(b.attempt & 15U, 2) |
              at(core::raw(b.worker), 3) | at(b.transaction.index, 4);
    w.rest = at(b.transaction.generation, 0) | at(b.loop, 4);
    b.mac = w.mac = branch_mac(w, binding, key);

    BranchText text;
    auto* out = text.chars.data();
    std::memcpy(out, magic_cookie.data(), magic_cookie.size());
    out += magic_cookie.size();
    const auto words = [](std::uint64_t low, std::uint64_t high) {
        return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
    };
    store(out, encode_block(words(w.maker, w.rest)));
    store(out + block_chars, encode_block(words(b.loop | (w.mac << 32), w.mac >> 32)));
    text.length = magic_cookie.size() + branch_chars;
    static_assert(std::tuple_size_v<decltype(text.chars)> >= magic_cookie.size() + branch_chars);
    return text;
}

bool read_branch(std::string_view branch, Branch& b) noexcept {
    BranchWords w;
    if (!read_branch_words(branch, w)) return false;
    const auto octet = [&w](unsigned i) { return static_cast<std::uint8_t>(w.maker >> (8 * i)); };
    if ((octet(2) >> 4) > static_cast<unsigned>(Branch::Kind::local) || octet(3) >= core::max_workers) return false;
    b.node = core::NodeId{octet(1)};
    b.kind = static_cast<Branch::Kind>(octet(2) >> 4);
    b.attempt = octet(2) & 15;
    b.worker = core::WorkerId{octet(3)};
    b.transaction.index = static_cast<std::uint32_t>(w.maker >> 32);
    b.transaction.generation = static_cast<std::uint32_t>(w.rest);
    b.loop = static_cast<std::uint32_t>(w.rest >> 32);
    b.mac = w.mac;
    return true;
}

bool verify_branch(std::string_view branch, const BranchBinding& binding, const core::KeyRing& keys) noexcept {
    BranchWords w;
    if (!read_branch_words(branch, w)) return false;
    const auto* key = keys.find(static_cast<std::uint8_t>(w.maker));
    return key != nullptr && branch_mac(w, binding, *key) == w.mac;
}

CookieText make_cookie(const RouteCookie& c, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    std::uint8_t octets[72];
    Writer w{octets};
    w.put(key.id);
    w.put(core::raw(c.node));
    w.put(static_cast<std::uint8_t>((c.caller_in_cluster ? caller_in_cluster : 0) | (c.host.address.is_v6() ? host_v6 : 0) |
                                    (c.client.address.is_v6() ? client_v6 : 0) | (c.symmetric ? symmetric_flow : 0) |
                                    (core::raw(c.host_transport) << 4) | (core::raw(c.client_transport) << 6)));
    w.put(c.dialog.index);
    w.put(c.dialog.generation);
    w.put(c.host);
    w.put(c.client);
    if (core::is_reliable(c.client_transport)) w.put(core::raw(c.connection));
    w.put(cookie_mac(octets, w.length(), call, caller_tag, key));

    const auto n = w.length();
    w.put(std::uint8_t{0});  // the last character shows some of it

    CookieText text;
    // Whole blocks: there is room behind both.
    static_assert(sizeof text.chars >= (sizeof octets / block_octets - 1) * block_chars);
    char* out = text.chars.data();
    for (std::size_t at = 0; at < n; at += block_octets, out += block_chars) store(out, encode_block(load(octets + at)));
    text.length = (n * 4 + 2) / 3;
    return text;
}

bool open_cookie(std::string_view text, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys,
                 std::optional<RouteCookie>& found) noexcept {
    found.reset();
    std::uint8_t octets[72];
    const auto n = base64url_decode(text, octets, sizeof octets);
    std::uint64_t mac;
    if (n < cookie_head + sizeof mac || n - sizeof mac != cookie_payload(octets[2])) return false;
    const auto* key = keys.find(octets[0]);
    std::memcpy(&mac, octets + n - sizeof mac, sizeof mac);
    if (key == nullptr || cookie_mac(octets, n - sizeof mac, call, caller_tag, *key) != mac) return false;

    Reader r{octets + 1, n - 1 - sizeof mac};
    auto& c = found.emplace();
    c.node = core::NodeId{r.get<std::uint8_t>()};
    const auto flags = r.get<std::uint8_t>();
    c.caller_in_cluster = (flags & caller_in_cluster) != 0;
    c.symmetric = (flags & symmetric_flow) != 0;
    c.host_transport = static_cast<core::Transport>((flags >> 4) & 3);
    c.client_transport = static_cast<core::Transport>(flags >> 6);
    c.dialog.index = r.get<std::uint32_t>();
    c.dialog.generation = r.get<std::uint32_t>();
    r.get(c.host, (flags & host_v6) != 0);
    r.get(c.client, (flags & client_v6) != 0);
    if (core::is_reliable(c.client_transport)) c.connection = core::ConnectionId{r.get<std::uint32_t>()};
    return true;
}

namespace {

// key, family and transport, an IPv6 endpoint, a connection, the MAC
constexpr std::size_t longest_flow = 2 + 18 + 4 + 8;

}  // namespace

FlowTokenText make_flow_token(const FlowToken& f, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    std::uint8_t octets[longest_flow];
    Writer w{octets};
    w.put(key.id);
    w.put(static_cast<std::uint8_t>((f.client.address.is_v6() ? 1 : 0) | (core::raw(f.transport) << 4)));
    w.put(f.client);
    if (core::is_reliable(f.transport)) w.put(core::raw(f.connection));
    w.put(flow_mac(octets, w.length(), key));

    FlowTokenText text;
    static_assert(flow_mark.size() + (sizeof octets * 4 + 2) / 3 <= sizeof text.chars);
    std::memcpy(text.chars.data(), flow_mark.data(), flow_mark.size());
    text.length = flow_mark.size() + base64url_encode(octets, w.length(), text.chars.data() + flow_mark.size());
    return text;
}

std::optional<FlowToken> open_flow_token(std::string_view user, const core::KeyRing& keys) noexcept {
    constexpr std::size_t shortest = 2 + 6 + 8;
    std::uint8_t octets[longest_flow];
    if (!user.starts_with(flow_mark)) return std::nullopt;
    const auto n = base64url_decode(user.substr(flow_mark.size()), octets, sizeof octets);
    if (n < shortest) return std::nullopt;
    const auto* key = keys.find(octets[0]);
    std::uint64_t mac;
    std::memcpy(&mac, octets + n - sizeof mac, sizeof mac);
    if (key == nullptr || flow_mac(octets, n - sizeof mac, *key) != mac) return std::nullopt;

    Reader r{octets + 1, n - 1 - sizeof mac};
    FlowToken f;
    const auto flags = r.get<std::uint8_t>();
    f.transport = static_cast<core::Transport>(flags >> 4 & 3);
    r.get(f.client, (flags & 1) != 0);
    if (core::is_reliable(f.transport)) f.connection = core::ConnectionId{r.get<std::uint32_t>()};
    if (r.failed() || r.left() != 0) return std::nullopt;
    return f;
}

TokenText<16> make_local_tag(std::string_view call_id, std::string_view from_tag, std::string_view branch,
                             const core::KeyRing& keys) noexcept {
    core::SipHasher24 h{keys.signing().mac};
    h.update("to-tag");
    h.update_u64(call_id.size());
    h.update(call_id);
    h.update_u64(from_tag.size());
    h.update(from_tag);
    h.update(branch);
    const auto v = h.finish();
    std::uint8_t octets[sizeof v];
    std::memcpy(octets, &v, sizeof v);
    TokenText<16> text;
    text.length = base64url_encode(octets, sizeof octets, text.chars.data());
    return text;
}

}  // namespace sipfront::sip
