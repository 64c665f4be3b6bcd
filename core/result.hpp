// A value or an error, for set-up and control code (g++ 12 has no std::expected). The packet path uses plain enums.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace sipfront::core {

// What went wrong, where, and how to mend it, in words an operator can act on.
struct Error {
    std::string what;
};

template <class T, class E = Error>
class [[nodiscard]] Result {
public:
    Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
    Result(E error) : state_{std::in_place_index<1>, std::move(error)} {}

    explicit operator bool() const noexcept { return state_.index() == 0; }
    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }

    T& value() & { return get(); }
    const T& value() const& { return const_cast<Result*>(this)->get(); }
    T&& value() && { return std::move(get()); }
    T* operator->() { return &get(); }
    const T* operator->() const { return &const_cast<Result*>(this)->get(); }
    T& operator*() { return get(); }
    const T& operator*() const { return const_cast<Result*>(this)->get(); }

    const E& error() const {
        assert(state_.index() == 1);
        return *std::get_if<1>(&state_);
    }

private:
    T& get() {
        assert(state_.index() == 0);
        return *std::get_if<0>(&state_);
    }
    std::variant<T, E> state_;
};

// Success without a value, or an error.
struct Done {};
using Status = Result<Done>;

}  // namespace sipfront::core
