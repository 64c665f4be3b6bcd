// The keys that sign cookies, branches and flow tokens. Both nodes of a pair share one key file, and a key is accepted
// everywhere before anybody signs with it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/hash.hpp"
#include "core/result.hpp"

namespace sipfront::core {

enum class KeyState : std::uint8_t {
    accept,  // verifies; will sign later
    sign,    // verifies and signs; exactly one
    retire,  // still verifies, for what it signed before; will be deleted
};

struct Key {
    Key(std::uint8_t key_id, const SecretKey& key, KeyState key_state) noexcept;

    std::uint8_t id;
    SecretKey secret;
    KeyState state;
    // Follow from the secret, one for each purpose: what one of them makes is nothing under another.
    HashKey digest;  // of Call-IDs, which tokens are bound to and steering goes by, and of Vias
    HashKey branch;
    HashKey cookie;
    HashKey flow;
    HashKey tag;  // of our replies
};

// A key from the kernel's random source, for tables and steering of this process.
SecretKey random_key();

// A value, immutable once made; any thread may read it. In the file each line is `id hex state`: id 0 to 255, 32 hexadecimal
// digits (16 octets, the key of AES-128), and sign, accept or retire. '#' starts a comment.
class KeyRing {
public:
    // Refuses a file that anyone but its owner may read or write, or whose owner is neither us nor root.
    static Result<KeyRing> load(const std::filesystem::path& path);
    // The error lists every mistake, one a line, as `name:line: what; how to mend it`. Key material is never quoted.
    static Result<KeyRing> parse(std::string_view text, std::string_view name = "keys");
    // One random signing key: nothing signed with it survives this process.
    static KeyRing ephemeral();
    // Writes a new file with one random signing key, mode 0600. Never overwrites.
    static Status generate(const std::filesystem::path& path);

    [[nodiscard]] const Key& signing() const noexcept { return keys_[signing_]; }
    // Whatever its state; nullptr for an id that is not in the ring.
    [[nodiscard]] const Key* find(std::uint8_t id) const noexcept { return index_[id] == absent ? nullptr : &keys_[index_[id]]; }
    [[nodiscard]] const std::vector<Key>& keys() const noexcept { return keys_; }

private:
    static constexpr std::uint16_t absent = 0xffff;

    KeyRing() { index_.fill(absent); }
    void add(const Key& key);

    std::vector<Key> keys_;
    std::array<std::uint16_t, 256> index_{};  // by key id
    std::size_t signing_ = 0;
};

}  // namespace sipfront::core
