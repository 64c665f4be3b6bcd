#include "tests/unit/ha_mysql/mariadb.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ha/mysql_connection.hpp"

namespace sipfront::ha {

namespace {

// Its output goes to `log`. It dies with us.
pid_t spawn(const std::vector<std::string>& words, const std::string& log, const std::string& home) {
    const auto child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setenv("HOME", home.c_str(), 1);
    ::setenv("MYSQL_HOME", home.c_str(), 1);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    std::vector<char*> arguments;
    for (const auto& w : words) arguments.push_back(const_cast<char*>(w.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
}

std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    return bound ? ntohs(address.sin_port) : std::uint16_t{0};
}

}  // namespace

std::unique_ptr<MariaDb> MariaDb::start() {
    std::unique_ptr<MariaDb> db{new MariaDb};
    // In memory where possible: the test is not of disks.
    const std::string base = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string();
    auto name = base + "/sipfront-mariadb-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return std::cerr << "no temporary directory\n", nullptr;
    db->folder_ = name;
    db->port_ = free_port();
    const auto log = db->folder_ + "/log", data = db->folder_ + "/data";
    const std::vector<std::string> common{"--no-defaults", "--datadir=" + data, "--user=root"};
    const auto with = [&](std::vector<std::string> words, const std::vector<std::string>& more) {
        words.insert(words.end(), common.begin(), common.end());
        words.insert(words.end(), more.begin(), more.end());
        return words;
    };
    int status = -1;
    const auto made = spawn(with({"mariadb-install-db"}, {"--auth-root-authentication-method=normal", "--skip-test-db"}), log, db->folder_);
    if (::waitpid(made, &status, 0) != made || status != 0) return std::cerr << "mariadb-install-db failed, see packages.txt\n", nullptr;
    db->pid_ = spawn(with({"mariadbd"}, {"--socket=" + db->folder_ + "/socket", "--bind-address=127.0.0.1",
                                         "--port=" + std::to_string(db->port_), "--pid-file=" + db->folder_ + "/pid", "--skip-name-resolve",
                                         "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"}),
                     log, db->folder_);
    MysqlConnector connector{db->config("")};
    for (int tries = 0; tries < 600; ++tries) {
        if (connector.connect()) return db;
        if (::waitpid(db->pid_, &status, WNOHANG) == db->pid_) break;
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    std::cerr << "mariadbd does not answer\n";
    return nullptr;
}

MariaDb::~MariaDb() {
    if (pid_ > 0) {
        signal(SIGCONT);
        signal(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

DatabaseConfig MariaDb::config(const std::string& database) const {
    DatabaseConfig c;
    c.engine = DatabaseEngine::mysql;
    c.socket = folder_ + "/socket";
    c.user = "root";
    c.name = database;
    return c;
}

bool MariaDb::run(const std::string& text) const {
    MysqlConnector connector{config("")};
    auto db = connector.connect();
    auto done = db ? (*db)->execute(text) : SqlResult<std::uint64_t>{db.error()};
    if (!done) std::cerr << text << ": " << done.error().text << '\n';
    return static_cast<bool>(done);
}

void MariaDb::signal(int number) const { ::kill(pid_, number); }

}  // namespace sipfront::ha
