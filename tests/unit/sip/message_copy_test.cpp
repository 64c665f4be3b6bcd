#include "sip/message_copy.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "messages.hpp"
#include "sip/edit.hpp"

namespace sipfront::sip {
namespace {

TEST(MessageCopy, MakesWhatTheSameEditsMake) {
    Message m;
    const auto text = test::Draft{}.text();
    ASSERT_EQ(m.parse(text), ParseError::none);
    const auto forwards = m.first(HeaderId::max_forwards)->value;
    const auto line = m.first(HeaderId::content_length)->line;
    EditList edits{m};
    edits.insert(m.headers_begin(), "Via: new\r\n");
    edits.replace(forwards, "69");
    edits.erase(line);
    edits.insert(m.headers_end(), "X: y\r\n");
    std::string wanted(edits.size(), '?');
    edits.write(wanted);

    std::vector<char> room(wanted.size());  // of exactly that size, for the sanitizer
    MessageCopy copy{m.wire(), room.data()};
    copy.keep_to(m.headers_begin());
    copy.put("Via: new\r\n");
    const auto change_forwards = [&] { copy.replace(forwards, "69"); };
    if (line.off < forwards.off) {
        copy.replace(line, {});
        change_forwards();
    } else {
        change_forwards();
        copy.keep_to(line.off);
        copy.skip_to(line.end());
    }
    copy.keep_to(m.headers_end());
    copy.go_on_at(std::copy_n("X: y\r\n", 6, copy.at()));
    copy.keep_rest();
    ASSERT_EQ(copy.at(), room.data() + room.size());
    EXPECT_EQ((std::string{room.begin(), room.end()}), wanted);
}

}  // namespace
}  // namespace sipfront::sip
