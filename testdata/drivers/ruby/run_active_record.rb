# ActiveRecord, as its guides show it: one pool of its default size, of which each thread takes a connection while it works.

require "active_record"
require "json"

READS = 40
DETAILS = 10
WRITES = 5

ActiveRecord::Base.establish_connection(
  adapter: "postgresql",
  host: ENV["DRIVERS_HOST"],
  port: ENV["DRIVERS_PORT"],
  username: ENV["DRIVERS_USER"],
  password: ENV["DRIVERS_PASSWORD"],
  database: ENV["DRIVERS_DATABASE"],
  sslmode: "verify-full",
  sslrootcert: ENV["DRIVERS_CA"]
)

class Book < ActiveRecord::Base
end

class Note < ActiveRecord::Base
end

class Visit
  attr_reader :seen

  def initialize(number)
    @number = number
    @seen = { served: false, writes: 0, own_writes_read: 0, rollback_undone: false, types_read: true }
  end

  # As a server for the web does it, each piece of work takes a connection of the pool and gives it back.
  def work(&block)
    ActiveRecord::Base.connection_pool.with_connection(&block)
  end

  def run
    read
    WRITES.times { |i| write(i) }
    before = count
    take_back
    @seen[:rollback_undone] = count == before
    read
    fate
    @seen[:served] = true
  rescue StandardError => error
    warn error.full_message
    cause = error.cause || error
    state = cause.result.error_field(PG::Result::PG_DIAG_SQLSTATE) if cause.respond_to?(:result) && cause.result
    @seen[:error] = "#{state} #{error.class}: #{error.message}"
  end

  def read
    READS.times do |i|
      id = i % 5 + 1
      book = work { Book.select(:title, :price).find_by!(id: id) }
      raise "book #{id} is #{book.title} at #{book.price}" unless book.title == "Book #{id}" && book.price == id + 0.5
    end
    DETAILS.times do |i|
      id = i % 5 + 1
      book = work { Book.find(id) }
      right = book.mood == "happy" && book.tags == %w[paper signed] && book.extra == { "pages" => 100 + id } &&
        book.published == Time.utc(2020, 6, 1, 12)
      @seen[:types_read] &&= right
    end
  end

  def count
    work { Note.where(client: @number).count }
  end

  def note(wrote)
    @seen[:writes] += 1
    @seen[:own_writes_read] += 1 if wrote
  end

  def write(i)
    before = count
    id = work { Note.create!(client: @number, body: "new #{i}").id }
    note(work { Note.find(id).body } == "new #{i}")
    note(count == before + 1)
    work { Note.find(id).update!(body: "changed #{i}") }
    note(work { Note.find(id).body } == "changed #{i}")
  end

  def take_back
    work do
      Note.transaction do
        id = Note.create!(client: @number, body: "never").id
        raise "not read in its transaction" unless Note.find(id).body == "never"
        raise ActiveRecord::Rollback
      end
    end
  end

  # Reads a book and, as the same session, asks the proxy what became of that.
  def fate
    work do |connection|
      Book.select(:title, :price).find_by!(id: 1)
      @seen[:status] = connection.select_value("SHOW overdrive.status")
      @seen[:reason] = connection.select_value("SHOW overdrive.reason")
    end
  end
end

visits = Array.new(ENV["DRIVERS_CLIENTS"].to_i) { |number| Visit.new(number) }
visits.map { |visit| Thread.new { visit.run } }.each(&:join)
version = ActiveRecord.respond_to?(:gem_version) ? ActiveRecord.gem_version.to_s : ""
puts JSON.generate({ version: version, clients: visits.map(&:seen) })
$stdout.flush
$stdin.read
