#include "core/keys.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sipfront::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view hex = "000102030405060708090a0b0c0d0e0f";

std::string line(int id, std::string_view state) { return std::to_string(id) + ' ' + std::string{hex} + ' ' + std::string{state} + '\n'; }

class KeyFile : public ::testing::Test {
protected:
    void SetUp() override {
        auto pattern = (std::filesystem::temp_directory_path() / "sipfront-keys-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = directory_ / "keys";
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void write(std::string_view text, ::mode_t mode) const {
        std::ofstream{path_} << text;
        ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    }
    [[nodiscard]] std::string read() const {
        std::ifstream in{path_};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    std::filesystem::path directory_;
    std::filesystem::path path_;
};

TEST(KeyRing, ReadsOctetsAsAesTakesThem) {
    const auto ring = KeyRing::parse(line(1, "sign"));
    ASSERT_TRUE(ring);
    EXPECT_EQ(ring->signing().secret, (SecretKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}));
}

TEST(KeyRing, EachPurposeHasAKeyOfItsOwnThatFollowsFromTheFile) {
    const auto ring = KeyRing::parse(line(1, "sign"));
    const auto other = KeyRing::parse(line(9, "sign"));
    ASSERT_TRUE(ring && other);
    const auto& key = ring->signing();
    const HashKey all[] = {HashKey{key.secret}, key.digest, key.branch, key.cookie, key.flow, key.tag};
    for (const auto& a : all)
        for (const auto& b : all) EXPECT_EQ(a == b, &a == &b);
    EXPECT_EQ(key.digest, other->signing().digest);
    EXPECT_EQ(key.branch, other->signing().branch);
    EXPECT_EQ(key.cookie, other->signing().cookie);
    EXPECT_EQ(key.flow, other->signing().flow);
    EXPECT_EQ(key.tag, other->signing().tag);
}

TEST(KeyRing, EveryStateVerifiesAndOnlyOneSigns) {
    const auto ring =
        KeyRing::parse("# pair\n\n" + line(0, "retire") + line(7, "sign # today") + "\t255  " + std::string{hex} + "\taccept\r\n");
    ASSERT_TRUE(ring) << ring.error().what;
    EXPECT_EQ(ring->signing().id, 7);
    EXPECT_EQ(ring->keys().size(), 3U);
    ASSERT_NE(ring->find(0), nullptr);
    EXPECT_EQ(ring->find(0)->state, KeyState::retire);
    ASSERT_NE(ring->find(255), nullptr);
    EXPECT_EQ(ring->find(255)->state, KeyState::accept);
    EXPECT_EQ(ring->find(7), &ring->signing());
    EXPECT_EQ(ring->find(1), nullptr);
}

TEST(KeyRing, ACopyRefersToItsOwnKeys) {
    auto ring = KeyRing::parse(line(3, "sign"));
    ASSERT_TRUE(ring);
    const KeyRing copy = *ring;
    EXPECT_EQ(copy.find(3), &copy.signing());
    EXPECT_NE(copy.find(3), ring->find(3));
}

TEST(KeyRing, ReportsAllMistakesAtOnceWithLineAndRemedy) {
    const auto ring = KeyRing::parse("256 " + std::string{hex} + " accept\n" +  //
                                         "1 0001 accept\n" +                    //
                                         line(2, "signs") +                     //
                                         "3 only-two\n" +                       //
                                         line(4, "sign") +                      //
                                         line(4, "accept") +                    //
                                         line(5, "sign") +                      //
                                         "x zz" + std::string{hex.substr(2)} + " never\n",
                                     "keys.txt");
    ASSERT_FALSE(ring);
    const auto& what = ring.error().what;
    EXPECT_THAT(what, HasSubstr("keys.txt:1: '256' is not a key id; use a number from 0 to 255"));
    EXPECT_THAT(what, HasSubstr("keys.txt:2: the key must be 32 hexadecimal digits"));
    EXPECT_THAT(what, HasSubstr("keys.txt:3: 'signs' is not a key state; use sign, accept or retire"));
    EXPECT_THAT(what, HasSubstr("keys.txt:4: expected three words"));
    EXPECT_THAT(what, HasSubstr("keys.txt:6: key id 4 stands on line 5 already"));
    EXPECT_THAT(what, HasSubstr("keys.txt:7: line 5 signs already"));
    EXPECT_THAT(what, HasSubstr("keys.txt:8: 'x' is not a key id"));
    EXPECT_THAT(what, HasSubstr("keys.txt:8: the key must be"));
    EXPECT_THAT(what, HasSubstr("keys.txt:8: 'never' is not a key state"));
    EXPECT_EQ(std::count(what.begin(), what.end(), '\n'), 8);
}

TEST(KeyRing, NeedsExactlyOneSigningKey) {
    EXPECT_THAT(KeyRing::parse("").error().what, HasSubstr("no key signs"));
    EXPECT_THAT(KeyRing::parse(line(1, "accept")).error().what, HasSubstr("no key signs"));
    EXPECT_THAT(KeyRing::parse(line(1, "sign") + line(2, "sign")).error().what, HasSubstr("signs already"));
    // The line that should sign is faulty itself: one report, not two.
    EXPECT_THAT(KeyRing::parse("1 12 sign\n").error().what, Not(HasSubstr("no key signs")));
}

TEST(KeyRing, ErrorsNeverShowKeyMaterial) {
    const auto ring = KeyRing::parse("1 deadbeefdeadbeefdeadbeefdeadbeef0 sign\n2 deadbeefdeadbeefdeadbeefdeadbeef bad\n");
    ASSERT_FALSE(ring);
    EXPECT_THAT(ring.error().what, Not(HasSubstr("deadbeef")));
}

TEST(KeyRing, EphemeralKeysDiffer) {
    const auto a = KeyRing::ephemeral();
    const auto b = KeyRing::ephemeral();
    EXPECT_NE(a.signing().secret, b.signing().secret);
    EXPECT_EQ(a.find(a.signing().id), &a.signing());
    EXPECT_NE(random_key(), random_key());
}

TEST_F(KeyFile, GeneratesAPrivateFileThatLoads) {
    ASSERT_TRUE(KeyRing::generate(path_));
    struct stat info {};
    ASSERT_EQ(::stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
    const auto ring = KeyRing::load(path_);
    ASSERT_TRUE(ring) << ring.error().what;
    EXPECT_EQ(ring->keys().size(), 1U);
    EXPECT_EQ(ring->signing().id, 1);
}

TEST_F(KeyFile, NeverOverwrites) {
    write("precious", 0600);
    const auto status = KeyRing::generate(path_);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().what, HasSubstr(path_.string()));
    EXPECT_EQ(read(), "precious");
}

TEST_F(KeyFile, RefusesAFileThatOthersCanReadOrWrite) {
    for (const ::mode_t mode : {0640U, 0604U, 0620U, 0602U, 0644U, 0666U}) {
        write(line(1, "sign"), mode);
        const auto ring = KeyRing::load(path_);
        ASSERT_FALSE(ring) << mode;
        EXPECT_THAT(ring.error().what, HasSubstr("chmod 600"));
    }
    for (const ::mode_t mode : {0600U, 0400U}) {
        write(line(1, "sign"), mode);
        EXPECT_TRUE(KeyRing::load(path_)) << mode;
        ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
    }
}

TEST_F(KeyFile, RefusesWhatIsNoReadableFile) {
    EXPECT_THAT(KeyRing::load(path_).error().what, HasSubstr("cannot open the key file"));
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_THAT(KeyRing::load(path_).error().what, HasSubstr("not a regular file"));
    std::filesystem::remove(path_);
    write(std::string(70000, '#'), 0600);
    EXPECT_THAT(KeyRing::load(path_).error().what, HasSubstr("longer than 64 KiB"));
}

TEST_F(KeyFile, ErrorsNameTheFile) {
    write("nonsense\n", 0600);
    EXPECT_THAT(KeyRing::load(path_).error().what, HasSubstr(path_.string() + ":1: expected three words"));
}

}  // namespace
}  // namespace sipfront::core
