// parse_method() where it is not worth a call. Internal to sip/.
#pragma once

#include "sip/grammar.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

[[gnu::always_inline]] inline Method method_of(std::string_view token) noexcept {
    using grammar::reads;
    const auto* p = token.data();
    switch (token.size()) {
        case 3:
            return reads<"ACK">(p) ? Method::ack : reads<"BYE">(p) ? Method::bye : Method::unknown;
        case 4:
            return reads<"INFO">(p) ? Method::info : Method::unknown;
        case 5:
            return reads<"PRACK">(p) ? Method::prack : reads<"REFER">(p) ? Method::refer : Method::unknown;
        case 6:
            return reads<"INVITE">(p)   ? Method::invite
                   : reads<"CANCEL">(p) ? Method::cancel
                   : reads<"UPDATE">(p) ? Method::update
                   : reads<"NOTIFY">(p) ? Method::notify
                                        : Method::unknown;
        case 7:
            return reads<"OPTIONS">(p)   ? Method::options
                   : reads<"MESSAGE">(p) ? Method::message
                   : reads<"PUBLISH">(p) ? Method::publish
                                         : Method::unknown;
        case 8:
            return reads<"REGISTER">(p) ? Method::register_ : Method::unknown;
        case 9:
            return reads<"SUBSCRIBE">(p) ? Method::subscribe : Method::unknown;
        default:
            return Method::unknown;
    }
}

}  // namespace sipfront::sip
