#include "ctl/unit_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "ctl/detail.hpp"
#include "ctl/text.hpp"
#include "ctl/unit_info.hpp"
#include "daemon/api/names.hpp"
#include "hal/posix/check.hpp"
#include "units/folders.hpp"
#include "units/names.hpp"

namespace reeve::ctl {

namespace {

namespace fs = std::filesystem;

// Of a unit that the manager knows no files of (it is masked, has problems, or is an instance not
// asked for yet): the folders that it reads.
std::vector<std::string> folders_of(Context& context) {
    if (context.arguments.has(Opt::unit_path) || context.place.offline)
        return context.place.folders;
    try {
        Request request;
        request.member = "Get";
        request.interface = "org.freedesktop.DBus.Properties";
        request.arguments = {api::interface::manager, "UnitPath"};
        return context.client().call(std::move(request)).at(0).words();
    } catch (const Failure&) {  // there is no manager
        return context.place.folders;
    }
}

}  // namespace

std::optional<UnitFiles> search_unit_files(const std::vector<std::string>& folders,
                                           const std::string& unit) {
    std::vector<units::Problem> ignored;
    units::Folders all{{folders.begin(), folders.end()}, ignored};
    const bool is_instance = units::is_instance(unit);
    auto own = all.files().find(unit);
    if (own == all.files().end() && is_instance) own = all.files().find(units::template_of(unit));
    if (own == all.files().end()) return std::nullopt;
    UnitFiles files{unit, {own->second}};
    const auto add_drop_ins = [&](std::string_view name) {
        const auto& paths = all.drop_ins(name, ignored);
        files.paths.insert(files.paths.end(), paths.begin(), paths.end());
    };
    if (is_instance) add_drop_ins(units::template_of(unit));
    add_drop_ins(unit);
    return files;
}

UnitFiles find_unit_files(Context& context, const std::string& unit) {
    if (!units::is_unit_name(unit)) throw usage_error("not a unit's name: \"" + unit + "\"");
    if (!context.place.offline) {
        try {
            const auto found = describe(context.client(), {unit}, {"Files"});
            const auto paths =
                found.empty() ? std::vector<std::string>{} : found.front()["Files"].words();
            if (!paths.empty()) return {std::string{found.front()["Name"].text()}, paths};
        } catch (const Failure& failure) {
            const bool known_by_files =
                failure.code == code::no_daemon || failure.code == code::no_such_unit;
            if (!known_by_files || !context.place.host.empty()) throw;
        }
    }
    const auto folders = folders_of(context);
    auto files = search_unit_files(folders, unit);
    if (!files) {
        throw Failure{code::no_such_unit, "NoSuchUnit",
                      "no file " + unit + ".toml in " + join(folders, ", ") +
                          "; --unit-path DIR names another folder"};
    }
    return std::move(*files);
}

std::string read_file(const std::string& path) {
    const posix::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd) {
        const int error = errno;
        throw Failure{error == EACCES ? code::refused : code::failed, "CannotRead",
                      "cannot read " + path + ": " + std::strerror(error)};
    }
    return read_all(fd.get(), "read a unit file");
}

void write_file(const std::string& path, const std::string& text) {
    const fs::path target{path};
    const std::string beside =
        (target.parent_path() / ("." + target.filename().string())).string() + "." +
        std::to_string(::getpid());
    try {
        fs::create_directories(target.parent_path());
        const posix::Fd fd{posix::check(
            ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), "open")};
        write_all(fd.get(), text, "write");
        posix::check(::fsync(fd.get()), "write to the disk");
        posix::check(::rename(beside.c_str(), path.c_str()), "put in place");
    } catch (const std::system_error& error) {
        ::unlink(beside.c_str());
        const bool denied = error.code() == std::errc::permission_denied ||
                            error.code() == std::errc::operation_not_permitted;
        throw Failure{denied ? code::refused : code::failed, "CannotWrite",
                      "cannot write " + path + ": " + error.code().message() +
                          (denied ? "; try as root or as the owner of the folder" : "")};
    }
}

}  // namespace reeve::ctl
